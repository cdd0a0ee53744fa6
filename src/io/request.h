/* An HTTP request, or a mail, and what became of it, as plain data: made and read by the gateways, carried by io/http. */
#pragma once

#include <stdbool.h>
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

/* What a mail needs besides its URL (smtp://, smtps://) and its content, which is the body. */
struct envelope {
    struct buf from, to;       /* one address each, without <> */
    struct buf user, password; /* "": no log-in */
    bool needs_tls;            /* also on this machine and in private networks */
};

struct request {
    const char *method;                      /* static text, "POST" */
    struct buf url;                          /* max REQUEST_URL_BYTES_MAX */
    struct buf headers[REQUEST_HEADERS_MAX]; /* "Name: value" each, without line ends; may hold a secret */
    size_t header_count;
    struct buf body; /* max REQUEST_BODY_BYTES_MAX */
    struct envelope envelope; /* max REQUEST_HEADER_BYTES_MAX each */
};

/* An empty POST. */
void request_init(struct request *r);

/* Frees everything, and overwrites the headers and the password. */
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

/* What of a mail the server's reply is about. */
enum mail_stage {
    MAIL_LOGIN, /* connecting, TLS, log-in */
    MAIL_FROM,
    MAIL_TO,
    MAIL_DATA, /* the wish to send the content, or the content before its end */
    MAIL_END,  /* the whole mail */
};

struct reply {
    enum reply_kind kind;
    enum mail_stage stage; /* of a mail that is complete */
    int status; /* HTTP status, or the code of SMTP; 0 unless an answer came */
    const char *body; /* borrowed, NUL-terminated at body[body_size]; foreign bytes */
    size_t body_size;
    int64_t retry_after_sec;          /* from Retry-After, clamped to a day; -1 where absent */
    char reason[REPLY_REASON_BYTES];  /* unless complete: what happened, for a person; no secret in it */
};
