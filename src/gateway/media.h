/* Media of a message: a file that the gateway fetches from a URL. */
#pragma once

#include "gateway/gateway.h"

enum media_type { MEDIA_IMAGE, MEDIA_VIDEO, MEDIA_AUDIO, MEDIA_DOCUMENT, MEDIA_TYPES };

enum { WHATSAPP_CAPTION_LENGTH_MAX = 1024, MEDIA_FILENAME_BYTES = 256 };

struct media {
    enum media_type type;
    const char *url;
    const char *mime_type;               /* as the file's ending says; static; NULL: that says nothing */
    char filename[MEDIA_FILENAME_BYTES]; /* as it was given, else of a document what the URL ends with; "" */
};

/* "image", "video", "audio", "document". */
const char *media_type_to_string(enum media_type type);

/* Reads message->media. 1, or 0 and the outcome: no gateway could send that. */
int media_read(const struct message *message, struct media *ret, struct outcome *ret_outcome) _must_check_;

/* The same for a gateway on WhatsApp, which taker calls by name: it shows no long captions, and none with audio. */
int media_read_whatsapp(const struct message *message, const char *taker, struct media *ret, struct outcome *ret_outcome)
        _must_check_;

/* Whether a file's name has an ending. */
bool media_has_ending(const char *filename);
