#include "base/buf.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static int buf_fail(struct buf *b, int error) {
    if (b->error == 0)
        b->error = error;
    return error;
}

/* Makes room for more bytes and the final NUL. */
static int buf_reserve(struct buf *b, size_t more) {
    size_t needed, allocated;
    char *data;

    if (more > b->max - b->size)
        return buf_fail(b, -EMSGSIZE);
    needed = b->size + more + 1;
    if (needed <= b->allocated)
        return 0;

    /* Doubling, but never past what the maximum can need. */
    allocated = b->allocated < 32 ? 64 : b->allocated * 2;
    if (allocated > b->max + 1)
        allocated = b->max + 1;
    if (allocated < needed)
        allocated = needed;
    data = realloc(b->data, allocated);
    if (!data)
        return buf_fail(b, -ENOMEM);
    b->data = data;
    b->allocated = allocated;
    return 0;
}

void buf_done(struct buf *b) {
    free(b->data);
    *b = BUF_MAX(b->max);
}

void buf_clear(struct buf *b) {
    b->size = 0;
    b->error = 0;
    if (b->data)
        b->data[0] = '\0';
}

void buf_wipe(struct buf *b) {
    if (b->data)
        explicit_bzero(b->data, b->allocated);
    buf_done(b);
}

int buf_append(struct buf *b, const void *bytes, size_t size) {
    int r;

    r = buf_reserve(b, size);
    if (r < 0)
        return r;
    if (size > 0)
        memcpy(b->data + b->size, bytes, size);
    b->size += size;
    b->data[b->size] = '\0';
    return 0;
}

int buf_append_string(struct buf *b, const char *text) {
    return buf_append(b, text, strlen(text));
}

int buf_append_char(struct buf *b, char c) {
    return buf_append(b, &c, 1);
}

int buf_vprintf(struct buf *b, const char *format, va_list args) {
    va_list again;
    int size, r;

    va_copy(again, args);
    size = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (size < 0)
        return buf_fail(b, -EINVAL);

    r = buf_reserve(b, (size_t) size);
    if (r < 0)
        return r;
    (void) vsnprintf(b->data + b->size, (size_t) size + 1, format, args);
    b->size += (size_t) size;
    return 0;
}

int buf_printf(struct buf *b, const char *format, ...) {
    va_list args;
    int r;

    va_start(args, format);
    r = buf_vprintf(b, format, args);
    va_end(args);
    return r;
}

int buf_error(const struct buf *b) {
    return b->error;
}

const char *buf_string(const struct buf *b) {
    return b->data ? b->data : "";
}

char *buf_take(struct buf *b) {
    char *data;

    if (b->error != 0) {
        buf_done(b);
        return NULL;
    }
    /* The content of an empty buffer is a string too. */
    if (!b->data && buf_reserve(b, 0) < 0)
        return NULL;
    b->data[b->size] = '\0';
    data = TAKE_PTR(b->data);
    *b = BUF_MAX(b->max);
    return data;
}
