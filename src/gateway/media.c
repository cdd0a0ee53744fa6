#include "gateway/media.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "gateway/compose.h"
#include "gateway/target.h"
#include "io/url.h"

static const char *const type_names[MEDIA_TYPES] = {
    [MEDIA_IMAGE] = "image", [MEDIA_VIDEO] = "video", [MEDIA_AUDIO] = "audio", [MEDIA_DOCUMENT] = "document",
};

const char *media_type_to_string(enum media_type type) {
    return type_names[type];
}

/* What WhatsApp's clients take, and what people send each other. */
static const char *mime_type_of(const char *ending) {
    static const struct {
        const char *ending, *type;
    } table[] = {
        {"jpg", "image/jpeg"},       {"jpeg", "image/jpeg"},
        {"png", "image/png"},        {"gif", "image/gif"},
        {"webp", "image/webp"},      {"mp4", "video/mp4"},
        {"3gp", "video/3gpp"},       {"mp3", "audio/mpeg"},
        {"ogg", "audio/ogg"},        {"opus", "audio/ogg"},
        {"m4a", "audio/mp4"},        {"aac", "audio/aac"},
        {"amr", "audio/amr"},        {"wav", "audio/wav"},
        {"pdf", "application/pdf"},  {"txt", "text/plain"},
        {"csv", "text/csv"},         {"zip", "application/zip"},
        {"doc", "application/msword"},
        {"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
        {"xls", "application/vnd.ms-excel"},
        {"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
        {"ppt", "application/vnd.ms-powerpoint"},
        {"pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++)
        if (strcasecmp(ending, table[i].ending) == 0)
            return table[i].type;
    return NULL;
}

static const char *ending_of(const char *filename) {
    const char *dot = strrchr(filename, '.');

    return dot ? dot + 1 : "";
}

bool media_has_ending(const char *filename) {
    return *ending_of(filename) != '\0';
}

static int hex_digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_filename(const char *name) {
    return strlen(name) < MEDIA_FILENAME_BYTES && text_is_utf8(name, strlen(name)) && text_is_header_safe(name) &&
           !strpbrk(name, "/\\");
}

/* The last part of the URL's path, unescaped; "" where that is no name. */
static void read_end(const char *url, char *ret, size_t ret_size) {
    const char *host = strstr(url, "://") + 3, *path = host + strcspn(host, "/?"), *end = path + strcspn(path, "?");
    const char *from = memrchr(path, '/', (size_t) (end - path));
    size_t size = 0;

    for (const char *p = from ? from + 1 : end; p < end && size < ret_size - 1; p++) {
        int high = *p == '%' ? hex_digit(p[1]) : -1, low = high >= 0 ? hex_digit(p[2]) : -1;

        ret[size++] = low >= 0 ? (char) (high << 4 | low) : *p;
        p += low >= 0 ? 2 : 0;
    }
    ret[size] = '\0';
    if (!is_filename(ret) || strlen(ret) != size)
        ret[0] = '\0';
}

static int read_type(const struct message *m, enum media_type *ret, struct outcome *ret_outcome) {
    const char *type = json_text_at(m->media, "type");

    for (size_t i = 0; type && i < MEDIA_TYPES; i++) {
        *ret = (enum media_type) i;
        if (strcmp(type, type_names[i]) == 0)
            return 1;
    }
    return compose_reject("its media has no \"type\" of image, video, audio or document", ret_outcome);
}

static bool has_user(const char *url) {
    const char *host = strstr(url, "://");

    return host && memchr(host, '@', strcspn(host + 3, "/?#") + 3);
}

int media_read(const struct message *m, struct media *ret, struct outcome *ret_outcome) {
    const char *filename = json_text_at(m->media, "filename"), *fault;
    char end[MEDIA_FILENAME_BYTES];

    *ret = (struct media) {.url = json_text_at(m->media, "url")};
    if (read_type(m, &ret->type, ret_outcome) == 0)
        return 0;
    if (ret->url && has_user(ret->url))
        return compose_reject("its media can't be fetched: the URL holds a user name or a password, which the gateway would learn; "
                              "put the file where none is wanted", ret_outcome);
    if (url_check(ret->url, &fault) < 0) {
        outcome_set(ret_outcome, OUTCOME_REJECTED, SCOPE_MESSAGE, 0, 0, "its media can't be fetched: the URL %s", fault);
        return 0;
    }
    if (filename && !is_filename(filename))
        return compose_reject("its media's filename is longer than 255 bytes, or holds a slash or a control character",
                              ret_outcome);
    read_end(ret->url, end, sizeof(end));
    if (filename || ret->type == MEDIA_DOCUMENT)
        (void) snprintf(ret->filename, sizeof(ret->filename), "%s", filename ? filename : end);
    ret->mime_type = mime_type_of(ending_of(*ret->filename ? ret->filename : end));
    return 1;
}

int media_read_whatsapp(const struct message *m, const char *taker, struct media *ret, struct outcome *ret_outcome) {
    size_t length = text_length(m->body);

    if (media_read(m, ret, ret_outcome) == 0)
        return 0;
    if (ret->type == MEDIA_AUDIO && !text_is_blank(m->body))
        return compose_reject("WhatsApp shows no caption with audio; leave it out, or say it in the message before", ret_outcome);
    if (length <= WHATSAPP_CAPTION_LENGTH_MAX)
        return 1;
    outcome_set(ret_outcome, OUTCOME_REJECTED, SCOPE_MESSAGE, 0, 0,
                "the caption has %zu characters, and %s takes %d; shorten it, or say it in the message before", length, taker,
                WHATSAPP_CAPTION_LENGTH_MAX);
    return 0;
}
