/* What the gateways' answers have in common. */
#pragma once

#include "gateway/gateway.h"

/* An answer, read: the document (to be freed by understood_done()) or why there is none, and its sentence, scrubbed. */
struct understood {
    const struct reply *reply;
    struct json *document;
    const struct json_value *root; /* NULL: it is no JSON */
    const char *fault;             /* static */
    bool is_unread;                /* there was no memory to read it with: it may say anything */
    char words[OUTCOME_REASON_BYTES];
};

/* message may be NULL. A byte order mark is passed over, and what is no UTF-8 becomes U+FFFD: neither makes an answer no answer. */
void understood_init(struct understood *a, const struct reply *reply, const struct sender *sender, const struct message *message);
void understood_done(struct understood *a);

/* Whether it is a web page: a proxy's, a log-in's, never a gateway's. */
bool understood_is_page(const struct understood *a);

/* Whether it is an object, the beginning of one, or empty: a gateway's own yes may be cut off, or without a body. */
bool understood_is_object(const struct understood *a);

/* The text at the path where it is a string, else NULL. */
const char *understood_string(const struct understood *a, const char *path);

/* A web page with a status of success: whoever wrote it is not the gateway, so the sender waits; and may have passed the message
 * on, so that is in doubt. */
void understood_page(const struct understood *a, struct outcome *ret);

/* A status of success and an answer that does not say what became of the message: in doubt. why goes for a document that was
 * read: "it has no messages[0].id". */
void understood_doubt(const struct understood *a, const char *why, struct outcome *ret);
