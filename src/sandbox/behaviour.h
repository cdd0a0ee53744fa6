/* How the sandbox misbehaves: latency, errors, time-outs and answers that make no sense, set as JSON while it runs. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "io/json.h"
#include "sandbox/chats.h"

enum behaviour_mode {
    MODE_NORMAL,
    MODE_HANG,       /* takes the message, never answers */
    MODE_CUT_BEFORE, /* closes the connection; the message does not count */
    MODE_CUT_AFTER,  /* takes the message, closes the connection */
    MODE_GARBAGE,    /* takes it, answers what is no JSON */
    MODE_EMPTY,      /* takes it, answers nothing but a status */
    MODE_HUGE,       /* takes it, answers 16 MiB */
    MODE_DEEP,       /* takes it, answers JSON that is nested 200,000 deep */
    MODE_DRIP,       /* takes it, answers a byte a second */
    MODE_TRUNCATED,  /* takes it, closes in the middle of the answer */
    MODE_COUNT,
};

/* What becomes of one message. */
struct verdict {
    uint64_t latency_usec;
    unsigned status;         /* 0: taken; else refused with this HTTP status */
    int64_t code;            /* the gateway's own code, or 0 */
    int64_t retry_after_sec; /* -1: none */
    enum behaviour_mode mode;
};

struct behaviour;

/* Everything normal. */
int behaviour_new(struct behaviour **ret) _must_check_;

/* From JSON: an object, or an array of objects of which the first one that matches ("only") is applied. -EINVAL: reterr says
 * what is wrong, naming the key. */
int behaviour_parse(const char *text, size_t size, struct behaviour **ret, struct buf *reterr) _must_check_;
struct behaviour *behaviour_free(struct behaviour *b);
DEFINE_CLEANUP(struct behaviour *, behaviour_free)

/* Writes it as behaviour_parse() takes it, with every key. */
void behaviour_write(const struct behaviour *b, struct json_writer *w);

/* What becomes of a message. Rolls dice where a rate asks for it. */
struct verdict behaviour_decide(const struct behaviour *b, enum chat_gateway gateway, const char *sender,
                                const char *recipient);

/* The same with this session disconnected, or connected. */
int behaviour_with_session(const struct behaviour *b, const char *session, bool is_disconnected, struct behaviour **ret)
        _must_check_;

/* The sessions that are set disconnected, one after the other: at 0, then 1, … NULL: no more. */
const char *behaviour_disconnected(const struct behaviour *b, size_t at);

/* Whether the session (of wppconnect; "minimal", or the path of a webhook) is set disconnected. */
bool behaviour_is_disconnected(const struct behaviour *b, const char *session);

/* Whether two ways to write a recipient mean the same: a leading '+' makes no difference. */
bool recipient_is_same(const char *a, const char *b);
