/* A growing byte buffer with a mandatory maximum.
 *
 * Invariants: data is NULL or NUL-terminated at data[size]; size <= max. An append that would exceed max, or that finds no
 * memory, returns -EMSGSIZE or -ENOMEM, changes nothing, and marks the buffer failed, so that a run of appends can be
 * checked once, at its end, with buf_error(). */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "base/cleanup.h"

struct buf {
    char *data;       /* owned; read it, never write to it from outside */
    size_t size;      /* bytes in use, without the final NUL */
    size_t allocated; /* bytes allocated */
    size_t max;       /* most bytes that size may reach */
    int error;        /* 0, or the first failure as a negative errno */
};

/* A buffer on the stack: _cleanup_(buf_done) struct buf b = BUF_MAX(4096); */
#define BUF_MAX(max_bytes) ((struct buf) {.max = (max_bytes)})

/* Frees the content; the buffer may be used again with the same maximum. */
void buf_done(struct buf *b);

/* Empties the buffer and clears its error; keeps the memory. */
void buf_clear(struct buf *b);

/* As buf_done, after overwriting the content: for buffers that held a secret. */
void buf_wipe(struct buf *b);

int buf_append(struct buf *b, const void *bytes, size_t size);
int buf_append_string(struct buf *b, const char *text);
int buf_append_char(struct buf *b, char c);
int buf_printf(struct buf *b, const char *format, ...) _printf_(2, 3);
int buf_vprintf(struct buf *b, const char *format, va_list args) _printf_(2, 0);

/* 0, or the first failure since the buffer was last cleared. */
int buf_error(const struct buf *b) _must_check_;

/* The content as a string; "" when nothing was ever appended. Borrowed until the next change. */
const char *buf_string(const struct buf *b);

/* Hands the content over to the caller, who frees it; the buffer is empty afterwards. NULL where buf_error() is set. */
char *buf_take(struct buf *b);
