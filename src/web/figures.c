#include "web/figures.h"

#include <string.h>

/* The columns of herald.metrics(). */
enum { COLUMN_NAME, COLUMN_TYPE, COLUMN_HELP, COLUMN_LABELS, COLUMN_VALUE };

static int write_head(const char *name, size_t length, const char *type, const char *help, struct buf *out) {
    int n = (int) length;

    return buf_printf(out, "# HELP pgherald_%.*s %s\n# TYPE pgherald_%.*s %s\n", n, name, help, n, name, type);
}

int figures_write_head(const char *name, const char *type, const char *help, struct buf *out) {
    return write_head(name, strlen(name), type, help, out);
}

/* So much of a sample's name is its metric's: a histogram has samples _bucket, _sum and _count. */
static size_t metric_length(const char *name, const char *type) {
    const char *suffix = strcmp(type, "histogram") == 0 ? strrchr(name, '_') : NULL;

    return suffix ? (size_t) (suffix - name) : strlen(name);
}

int figures_write(const struct pg_result *rows, struct buf *out) {
    const char *last = "";
    size_t last_length = 0;

    for (size_t i = 0; i < pg_rows(rows); i++) {
        const char *name = pg_text(rows, i, COLUMN_NAME), *labels = pg_text(rows, i, COLUMN_LABELS);
        const char *type = pg_text(rows, i, COLUMN_TYPE);
        size_t length = metric_length(name, type);

        if (length != last_length || strncmp(name, last, length) != 0)
            (void) write_head(name, length, type, pg_text(rows, i, COLUMN_HELP), out);
        last = name;
        last_length = length;
        (void) buf_printf(out, *labels ? "pgherald_%s{%s} %s\n" : "pgherald_%s%s %s\n", name, labels,
                          pg_text(rows, i, COLUMN_VALUE));
    }
    return buf_error(out);
}
