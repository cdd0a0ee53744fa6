/* The header lines of an answer, one a line, and after an empty one its body in two pieces. */
#include <errno.h>

#include "fuzz.h"

#include "io/answer.h"
#include "io/request.h"

static const uint64_t now_usec = UINT64_C(1700000000) * 1000 * 1000;

static void add_headers(struct answer *a, struct input *in) {
    size_t before = 0;

    while (in->size > 0 && !a->has_all_headers) {
        const char *end = memchr(in->bytes, '\n', in->size);
        size_t size = end ? (size_t) (end - in->bytes) + 1 : in->size;
        _cleanup_(freep) char *line = copy_of(in->bytes, size);

        if (answer_add_header(a, line, size, now_usec) < 0) {
            HOLDS(a->is_too_long && before + size > ANSWER_HEADERS_BYTES_MAX);
            return;
        }
        before += size;
        HOLDS(a->headers_bytes == before);
        HOLDS(a->retry_after_sec >= -1 && a->retry_after_sec <= ANSWER_RETRY_AFTER_MAX_SEC);
        in->bytes += size;
        in->size -= size;
    }
}

static void add_body(struct answer *a, const struct input *in) {
    size_t half = in->size / 2;
    int first = answer_add_body(a, in->bytes, half), second = answer_add_body(a, in->bytes + half, in->size - half);

    HOLDS(first == 0 || first == -EMSGSIZE);
    HOLDS(second == 0 || second == -EMSGSIZE);
    HOLDS(a->body.size == (in->size < REPLY_BODY_BYTES_MAX ? in->size : (size_t) REPLY_BODY_BYTES_MAX));
    HOLDS(a->body.size == 0 || memcmp(a->body.data, in->bytes, a->body.size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct input in = input_of(bytes, size);
    struct answer a;

    answer_init(&a);
    add_headers(&a, &in);
    add_body(&a, &in);
    answer_clear(&a);
    HOLDS(a.retry_after_sec == -1 && a.body.size == 0 && !a.has_all_headers && !a.is_too_long);
    answer_done(&a);
    return 0;
}
