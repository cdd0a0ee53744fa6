#include "io/answer.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "io/request.h"

enum { BODY_KEPT_BYTES_MAX = 16 * 1024 };

void answer_init(struct answer *a) {
    *a = (struct answer) {.body = BUF_MAX(REPLY_BODY_BYTES_MAX), .retry_after_sec = -1};
}

void answer_done(struct answer *a) {
    buf_done(&a->body);
}

void answer_clear(struct answer *a) {
    if (a->body.allocated > BODY_KEPT_BYTES_MAX)
        buf_done(&a->body);
    else
        buf_clear(&a->body);
    a->headers_bytes = 0;
    a->retry_after_sec = -1;
    a->has_all_headers = a->is_too_long = false;
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void read_retry_after(struct answer *a, const char *line, size_t end, uint64_t now_wall_usec) {
    static const char name[] = "Retry-After:";
    char value[64];
    size_t start = sizeof(name) - 1;

    if (end < start || strncasecmp(line, name, start) != 0)
        return;
    while (start < end && is_space(line[start]))
        start++;
    while (end > start && is_space(line[end - 1]))
        end--;
    if (end - start >= sizeof(value))
        return;
    memcpy(value, line + start, end - start);
    value[end - start] = '\0';
    if (parse_retry_after(value, now_wall_usec, ANSWER_RETRY_AFTER_MAX_SEC, &a->retry_after_sec) < 0)
        a->retry_after_sec = -1;
}

int answer_add_header(struct answer *a, const char *line, size_t line_bytes, uint64_t now_wall_usec) {
    if (line_bytes == 0)
        return 0;
    a->headers_bytes += line_bytes;
    if (a->headers_bytes > ANSWER_HEADERS_BYTES_MAX) {
        a->is_too_long = true;
        return -EMSGSIZE;
    }
    if (line_bytes > 5 && memcmp(line, "HTTP/", 5) == 0) {
        a->retry_after_sec = -1; /* that of an interim answer does not count */
        a->has_all_headers = false;
    } else if (line_bytes <= 2 && is_space(line[0]))
        a->has_all_headers = true;
    else
        read_retry_after(a, line, line_bytes, now_wall_usec);
    return 0;
}

int answer_add_body(struct answer *a, const char *bytes, size_t size) {
    size_t room = a->body.max - a->body.size;

    if (size <= room)
        return buf_append(&a->body, bytes, size);
    a->is_too_long = true;
    (void) buf_append(&a->body, bytes, room);
    return -EMSGSIZE;
}
