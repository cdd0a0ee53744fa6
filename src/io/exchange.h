/* The pure half of a transfer: the request as it will be sent, the answer as it came, and what is to be told of both.
 * No socket, no libcurl. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "io/address.h"
#include "io/answer.h"
#include "io/mail.h"
#include "io/request.h"

#define EXCHANGE_TIME_LIMIT_MAX_USEC UINT64_C(86400000000)

/* Where the body of a 2xx goes instead of the answer, piece by piece; a negative errno ends the transfer. */
typedef int (*exchange_sink_fn)(const char *bytes, size_t size, void *userdata);

struct exchange {
    const char *method; /* static */
    struct buf url;
    struct buf body;
    char *headers; /* strings one after the other; never moved, so that no copy of a secret stays behind */
    size_t headers_bytes;
    size_t header_count;
    uint64_t time_limit_usec;
    uint64_t deadline_usec; /* of the monotonic clock: when that has passed */
    bool with_tls;
    const char *refusal; /* why the address was refused; static; NULL: it was not */
    char refused_address[ADDRESS_TEXT_BYTES];
    struct answer answer;
    exchange_sink_fn sink; /* or NULL */
    void *sink_userdata;
    bool is_mail;
    struct envelope envelope; /* of a mail; the password is never moved, and overwritten in the end */
    struct mail mail;
};

/* How a transfer ended, as the transport saw it. */
enum exchange_end {
    EXCHANGE_WHOLE,      /* without an error */
    EXCHANGE_UNRESOLVED, /* the host's name */
    EXCHANGE_CONNECT,    /* no connection */
    EXCHANGE_EXPIRED,    /* the time limit passed */
    EXCHANGE_SILENT,     /* the connection ended before an answer */
    EXCHANGE_BROKE_OFF,  /* or within it */
    EXCHANGE_TALK,       /* the conversation about a mail: with an answer, or it can't go on */
    EXCHANGE_FAILED,     /* anything else */
};

struct exchange_result {
    enum exchange_end end;
    int status;            /* the last status that came, 0 for none */
    size_t bytes_sent;     /* of the request, all sendings together; of a mail nothing counts but its end */
    const char *detail;    /* of the transport, for a person; "" for none */
};

void exchange_init(struct exchange *e);
void exchange_done(struct exchange *e);

/* Copies a request. -EINVAL: the URL, the method, a header or the limit is not fit to be sent; -ENOMEM. On failure the
 * exchange is clear. */
int exchange_begin(struct exchange *e, const struct request *request, uint64_t time_limit_usec) _must_check_;

/* A piece of the body of an answer with that status. A negative errno: the transfer is to end. */
int exchange_add_body(struct exchange *e, int status, const char *bytes, size_t size) _must_check_;

/* Overwrites the headers and forgets the rest; keeps a little memory for the next one. */
void exchange_clear(struct exchange *e);

/* What is to be told. The kind follows from how much was sent and whether a whole answer came, and from no error code. The
 * body is borrowed from the exchange. */
void exchange_describe(const struct exchange *e, const struct exchange_result *result, struct reply *ret);
