/* What the fuzz targets share: an input is taken apart into lines and a rest, and what must hold is said with HOLDS(). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Ends the program, so that the fuzzer keeps the input. */
#define HOLDS(condition)                                                                       \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            (void) fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                           \
        }                                                                                      \
    } while (0)

struct input {
    const char *bytes;
    size_t size;
};

static inline struct input input_of(const uint8_t *bytes, size_t size) {
    return (struct input) {.bytes = (const char *) bytes, .size = size};
}

/* A copy with a NUL behind it, so that the sanitizer sees who reads further. */
static inline char *copy_of(const char *bytes, size_t size) {
    char *copy = malloc(size + 1);

    HOLDS(copy != NULL);
    if (size > 0)
        memcpy(copy, bytes, size);
    copy[size] = '\0';
    return copy;
}

/* The next line without its end; the whole rest where there is none. */
static inline char *input_line(struct input *in) {
    const char *end = in->size > 0 ? memchr(in->bytes, '\n', in->size) : NULL;
    size_t size = end ? (size_t) (end - in->bytes) : in->size, taken = size + (end != NULL);
    char *line = copy_of(in->bytes, size);

    in->bytes += taken;
    in->size -= taken;
    return line;
}

/* Valid UTF-8 without a control byte: fit for a log line, a status line and a column. */
static inline bool is_printable(const char *text) {
    if (!text_is_utf8(text, strlen(text)))
        return false;
    for (const unsigned char *p = (const unsigned char *) text; *p; p++)
        if (*p < 0x20 || *p == 0x7f || (p[0] == 0xc2 && p[1] < 0xa0))
            return false;
    return true;
}

/* Whether so many bytes of the secret in a row are in the text. */
static inline bool holds_piece(const char *text, const char *secret, size_t piece) {
    for (size_t i = 0; i + piece <= strlen(secret); i++)
        if (memmem(text, strlen(text), secret + i, piece))
            return true;
    return false;
}

/* So many digits in a row may be a telephone number. */
static inline bool holds_number(const char *text) {
    for (; *text; text += strcspn(text, "0123456789")) {
        size_t digits = strspn(text, "0123456789");

        if (digits >= 7)
            return true;
        text += digits;
    }
    return false;
}
