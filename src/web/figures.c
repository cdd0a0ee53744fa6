#include "web/figures.h"

#include <string.h>

/* The columns of herald.metrics(). */
enum { COLUMN_NAME, COLUMN_TYPE, COLUMN_HELP, COLUMN_LABELS, COLUMN_VALUE };

int figures_write_head(const char *name, const char *type, const char *help, struct buf *out) {
    return buf_printf(out, "# HELP pgherald_%s %s\n# TYPE pgherald_%s %s\n", name, help, name, type);
}

int figures_write(const struct pg_result *rows, struct buf *out) {
    const char *last = "";

    for (size_t i = 0; i < pg_rows(rows); i++) {
        const char *name = pg_text(rows, i, COLUMN_NAME), *labels = pg_text(rows, i, COLUMN_LABELS);

        if (strcmp(name, last) != 0)
            (void) figures_write_head(name, pg_text(rows, i, COLUMN_TYPE), pg_text(rows, i, COLUMN_HELP), out);
        last = name;
        (void) buf_printf(out, *labels ? "pgherald_%s{%s} %s\n" : "pgherald_%s%s %s\n", name, labels,
                          pg_text(rows, i, COLUMN_VALUE));
    }
    return buf_error(out);
}
