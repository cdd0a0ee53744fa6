/* An HTTP request and what became of it, as plain data: made and read by the gateways, carried by io/http. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum {
    REQUEST_HEADERS_MAX = 16,
    REQUEST_BODY_BYTES_MAX = 256 * 1024,
    REQUEST_URL_BYTES_MAX = 2048,
    REQUEST_HEADER_BYTES_MAX = 8 * 1024,
    REPLY_BODY_BYTES_MAX = 256 * 1024, /* a longer answer is cut off, and cannot be understood */
    REPLY_REASON_BYTES = 256,
};

struct request {
    const char *method;                      /* static text, "POST" */
    struct buf url;                          /* max REQUEST_URL_BYTES_MAX */
    struct buf headers[REQUEST_HEADERS_MAX]; /* "Name: value" each, without line ends; may hold a secret */
    size_t header_count;
    struct buf body; /* max REQUEST_BODY_BYTES_MAX */
};

/* An empty POST. */
void request_init(struct request *r);

/* Frees everything, and overwrites the headers. */
void request_done(struct request *r);

/* Appends "name: value". -EINVAL where the name is no token or the value holds a control byte: a line end there would be a
 * second request. -E2BIG: no header more. */
int request_add_header(struct request *r, const char *name, const char *value) _must_check_;

/* What is known of a transfer that ended. */
enum reply_kind {
    REPLY_COMPLETE, /* a whole answer: status and body */
    REPLY_UNSENT,   /* not one byte of the request left this process: trying again is safe */
    REPLY_UNKNOWN,  /* some of it left, and no whole answer came back */
};

struct reply {
    enum reply_kind kind;
    int status; /* HTTP status; 0 unless an answer came */
    const char *body; /* borrowed, NUL-terminated at body[body_size]; foreign bytes */
    size_t body_size;
    int64_t retry_after_sec;          /* from Retry-After, clamped to a day; -1 where absent */
    char reason[REPLY_REASON_BYTES];  /* unless complete: what happened, for a person; no secret in it */
};
