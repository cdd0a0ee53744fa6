/* What a gateway answers, and what must hold of the outcome whatever it is. An input is "STATUS RETRY-AFTER" in a line, then the
 * body; status 0: no whole answer came, and the rest is the reason. Of a mail the second number is also the stage. */
#pragma once

#include "fuzz.h"

#include "gateway/gateway.h"

#define NUMBER "+8801712345678"
#define SECRET "EAAGm0PX4ZCpsBAtoken"
#define BODY "Meter 4711 has been stuck since 10:42"

enum { SECRET_PIECE = 8, BODY_PIECE = 16 + 2 /* our own ": " may stand before it */, WAIT_MAX_SEC = 24 * 60 * 60 };

/* doc: the caller keeps it, for every further input. */
static inline const struct json_value *account_of(const char *text, struct json **doc) {
    const char *reason;

    HOLDS(*doc || json_parse(text, strlen(text), doc, &reason) == 0);
    return json_root(*doc);
}

static inline void check_outcome(const struct outcome *o, const struct reply *reply) {
    HOLDS(memchr(o->reason, '\0', sizeof(o->reason)));
    HOLDS(memchr(o->message_id, '\0', sizeof(o->message_id)));
    HOLDS(is_printable(o->reason));
    HOLDS(text_is_utf8(o->message_id, strlen(o->message_id)) && text_is_header_safe(o->message_id));
    HOLDS((o->kind == OUTCOME_ACCEPTED) == (o->reason[0] == '\0'));
    HOLDS(o->kind == OUTCOME_ACCEPTED || o->message_id[0] == '\0');
    HOLDS(o->kind != OUTCOME_ACCEPTED || (reply->kind == REPLY_COMPLETE && reply->status == o->status));
    HOLDS(o->kind == OUTCOME_WAIT || o->scope == SCOPE_MESSAGE || (o->kind == OUTCOME_REJECTED && o->scope == SCOPE_RECIPIENT) ||
          (o->kind == OUTCOME_IN_DOUBT && o->scope == SCOPE_SENDER));
    HOLDS(o->wait_sec == WAIT_BY_BACKOFF || (o->wait_sec >= 0 && o->wait_sec <= WAIT_MAX_SEC));
    HOLDS(!holds_piece(o->reason, SECRET, SECRET_PIECE));
    HOLDS(!holds_piece(o->reason, BODY, BODY_PIECE));
    HOLDS(!holds_number(o->reason));
}

static inline void read_reply(struct input *in, struct reply *ret) {
    _cleanup_(freep) char *line = input_line(in);
    long retry_after = -1;
    int status = 200;

    (void) sscanf(line, "%3d %ld", &status, &retry_after);
    *ret = (struct reply) {
        .kind = status == 0 ? REPLY_UNKNOWN : REPLY_COMPLETE,
        .status = status,
        .stage = retry_after < 0 ? MAIL_END : (enum mail_stage) (retry_after % (MAIL_END + 1)),
        .retry_after_sec = retry_after < 0 || retry_after > WAIT_MAX_SEC ? -1 : retry_after,
    };
}

/* takes_no_id: this sender's gateway may accept without one. */
static inline void try_reply(const struct gateway *gateway, const struct sender *sender, bool takes_no_id, const uint8_t *bytes,
                             size_t size) {
    struct input in = input_of(bytes, size);
    struct message message = {.id = 12, .attempt_id = 34, .target = NUMBER, .body = BODY};
    struct reply reply;
    struct outcome o;

    read_reply(&in, &reply);
    _cleanup_(freep) char *body = copy_of(in.bytes, in.size);
    reply.body = body;
    reply.body_size = in.size;
    (void) snprintf(reply.reason, sizeof(reply.reason), "%s", body);
    memset(&o, 0xa5, sizeof(o));
    gateway_outcome(gateway, sender, &message, &reply, &o);
    check_outcome(&o, &reply);
    HOLDS(takes_no_id || o.kind != OUTCOME_ACCEPTED || o.message_id[0]);
    HOLDS(gateway == &gateway_webhook || o.kind != OUTCOME_ACCEPTED || o.status / 100 == 2); /* there the account says which */
    HOLDS(!holds_piece(o.message_id, SECRET, sizeof(SECRET) - 1));
}
