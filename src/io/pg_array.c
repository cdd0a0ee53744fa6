/* Array parameters in PostgreSQL's text form: every element quoted, so that no content can be taken for syntax. */
#include "io/pg.h"

#include <inttypes.h>

static void separate(struct buf *b) {
    if (b->size > 0 && b->data[b->size - 1] != '{')
        (void) buf_append_char(b, ',');
}

void pg_array_begin(struct buf *b) {
    (void) buf_append_char(b, '{');
}

void pg_array_add(struct buf *b, const char *element) {
    separate(b);
    if (!element) {
        (void) buf_append_string(b, "NULL");
        return;
    }
    (void) buf_append_char(b, '"');
    for (const char *p = element; *p;) {
        size_t plain = 0;
        while (p[plain] && p[plain] != '"' && p[plain] != '\\')
            plain++;
        (void) buf_append(b, p, plain);
        p += plain;
        if (*p) {
            (void) buf_append_char(b, '\\');
            (void) buf_append_char(b, *p++);
        }
    }
    (void) buf_append_char(b, '"');
}

void pg_array_add_int(struct buf *b, int64_t element) {
    separate(b);
    (void) buf_printf(b, "%" PRId64, element);
}

void pg_array_end(struct buf *b) {
    (void) buf_append_char(b, '}');
}
