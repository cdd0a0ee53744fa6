/* An HTTP answer while it comes in, header line by header line and piece by piece, within bounds. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"

enum {
    ANSWER_HEADERS_BYTES_MAX = 64 * 1024, /* interim answers included */
    ANSWER_RETRY_AFTER_MAX_SEC = 24 * 60 * 60,
    ANSWER_VALUE_BYTES = 64,
};

struct answer {
    struct buf body; /* at most REPLY_BODY_BYTES_MAX */
    size_t headers_bytes;
    int64_t retry_after_sec; /* -1 where absent */
    char retry_after[ANSWER_VALUE_BYTES], date[ANSWER_VALUE_BYTES]; /* as they came */
    bool has_all_headers;    /* the empty line after the last status line came */
    bool is_too_long;        /* a bound was passed; what is in body is the beginning */
};

void answer_init(struct answer *a);
void answer_done(struct answer *a);

/* As answer_init(), but keeps a little memory for the next one. */
void answer_clear(struct answer *a);

/* One header line, or the status line, as it came. -EMSGSIZE: the headers are too long. now_wall_usec: for a Retry-After
 * that is a date, where the answer has no Date. */
int answer_add_header(struct answer *a, const char *line, size_t line_bytes, uint64_t now_wall_usec) _must_check_;

/* A piece of the body. -EMSGSIZE: too long, and as much as fits was kept. -ENOMEM. */
int answer_add_body(struct answer *a, const char *bytes, size_t size) _must_check_;
