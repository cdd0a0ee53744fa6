#include "io/answer.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/parse.h"
#include "io/request.h"

enum { BODY_KEPT_BYTES_MAX = 16 * 1024 };

void answer_init(struct answer *a) {
    *a = (struct answer) {.body = BUF_MAX(REPLY_BODY_BYTES_MAX), .retry_after_sec = -1};
}

void answer_done(struct answer *a) {
    buf_done(&a->body);
}

static void forget_headers(struct answer *a) {
    a->retry_after_sec = -1;
    a->retry_after[0] = a->date[0] = '\0';
    a->has_all_headers = false;
}

void answer_clear(struct answer *a) {
    if (a->body.allocated > BODY_KEPT_BYTES_MAX)
        buf_done(&a->body);
    else
        buf_clear(&a->body);
    a->headers_bytes = 0;
    a->is_too_long = false;
    forget_headers(a);
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The value of the header of that name ("Date:"), or false: it is another header, or too long. */
static bool read_value(const char *line, size_t end, const char *name, char ret[static ANSWER_VALUE_BYTES]) {
    size_t start = strlen(name);

    if (end < start || strncasecmp(line, name, start) != 0)
        return false;
    while (start < end && is_space(line[start]))
        start++;
    while (end > start && is_space(line[end - 1]))
        end--;
    if (end - start >= ANSWER_VALUE_BYTES)
        return false;
    memcpy(ret, line + start, end - start);
    ret[end - start] = '\0';
    return true;
}

/* A date is a time of the gateway's clock, so it is compared with what that says now, whichever of the two headers comes first. */
static void read_retry_after(struct answer *a, const char *line, size_t size, uint64_t now_wall_usec) {
    bool is_date = read_value(line, size, "Date:", a->date), is_retry = read_value(line, size, "Retry-After:", a->retry_after);
    int64_t now_sec;

    if (!is_retry && !(is_date && a->retry_after[0]))
        return;
    if (parse_http_date(a->date, &now_sec) < 0)
        now_sec = (int64_t) (now_wall_usec / USEC_PER_SEC);
    if (parse_retry_after(a->retry_after, now_sec, ANSWER_RETRY_AFTER_MAX_SEC, &a->retry_after_sec) < 0)
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
        forget_headers(a); /* those of an interim answer do not count */
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
