#include "io/request.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/text.h"

void request_init(struct request *r) {
    *r = (struct request) {
        .method = "POST",
        .url = BUF_MAX(REQUEST_URL_BYTES_MAX),
        .body = BUF_MAX(REQUEST_BODY_BYTES_MAX),
        .envelope = {.from = BUF_MAX(REQUEST_HEADER_BYTES_MAX),
                     .to = BUF_MAX(REQUEST_HEADER_BYTES_MAX),
                     .user = BUF_MAX(REQUEST_HEADER_BYTES_MAX),
                     .password = BUF_MAX(REQUEST_HEADER_BYTES_MAX)},
    };
}

void request_done(struct request *r) {
    buf_done(&r->url);
    buf_done(&r->body);
    for (size_t i = 0; i < r->header_count; i++)
        buf_wipe(&r->headers[i]);
    r->header_count = 0;
    buf_done(&r->envelope.from);
    buf_done(&r->envelope.to);
    buf_done(&r->envelope.user);
    buf_wipe(&r->envelope.password);
}

/* A name is a token of RFC 9110: anything else could end the name, or the line. */
static bool is_token(const char *name) {
    static const char others[] = "!#$%&'*+-.^_`|~";

    if (!*name)
        return false;
    for (const char *c = name; *c; c++)
        if (!(*c >= '0' && *c <= '9') && !(*c >= 'A' && *c <= 'Z') && !(*c >= 'a' && *c <= 'z') && !strchr(others, *c))
            return false;
    return true;
}

int request_add_header(struct request *r, const char *name, const char *value) {
    _cleanup_(buf_wipe) struct buf line = BUF_MAX(REQUEST_HEADER_BYTES_MAX);
    int error;

    if (!is_token(name) || !text_is_header_safe(value))
        return -EINVAL;
    if (r->header_count == REQUEST_HEADERS_MAX)
        return -E2BIG;
    /* In one piece: a buffer that grew would leave a copy of the secret behind. */
    error = buf_printf(&line, "%s: %s", name, value);
    if (error < 0)
        return error;
    r->headers[r->header_count++] = line;
    line = BUF_MAX(0);
    return 0;
}
