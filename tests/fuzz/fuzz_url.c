/* A URL that is taken has a host and nothing that would end its line, and a segment stays one segment. */
#include "fuzz.h"

#include "io/request.h"
#include "io/url.h"

static void try_url(const char *url) {
    _cleanup_(buf_done) struct buf b = BUF_MAX(REQUEST_URL_BYTES_MAX);
    const char *fault = NULL, *host;

    if (url_check(url, &fault) < 0) {
        HOLDS(fault && *fault);
        return;
    }
    host = strstr(url, "://");
    HOLDS(host && host[3] && !strchr("/?:@", host[3]));
    HOLDS(url[strcspn(url, " \t\r\n\v\f\"<>\\^`{|}#")] == '\0' && text_length(url) == strlen(url));
    HOLDS(!memchr(host, '@', 3 + strcspn(host + 3, "/?")));
    HOLDS(url_append_base(&b, url) == 0);
    HOLDS(b.size > 0 && b.data[b.size - 1] != '/' && strncmp(url, b.data, b.size) == 0);
}

static unsigned hex(char c) {
    return c <= '9' ? (unsigned) (c - '0') : (unsigned) (c - 'A' + 10);
}

static void try_segment(const char *segment) {
    _cleanup_(buf_done) struct buf escaped = BUF_MAX(3 * strlen(segment)), plain = BUF_MAX(strlen(segment));

    HOLDS(url_append_escaped(&escaped, segment) == 0);
    HOLDS(strcmp(buf_string(&escaped), ".") != 0 && strcmp(buf_string(&escaped), "..") != 0);
    for (const char *p = buf_string(&escaped); *p; p++) {
        HOLDS(!strchr("/?#& \r\n", *p));
        HOLDS(buf_append_char(&plain, *p == '%' ? (char) (hex(p[1]) << 4 | hex(p[2])) : *p) == 0);
        p += *p == '%' ? 2 : 0;
    }
    HOLDS(strcmp(buf_string(&plain), segment) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    _cleanup_(freep) char *text = copy_of((const char *) bytes, size);

    try_url(text);
    try_segment(text);
    return 0;
}
