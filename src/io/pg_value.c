/* Values of a row that are more than text. */
#include <string.h>

#include "base/parse.h"
#include "io/pg.h"

int64_t pg_int(const struct pg_result *r, size_t row, size_t column, int64_t fallback) {
    const char *text = pg_text(r, row, column);
    int64_t value;

    return text && parse_int(text, INT64_MIN, INT64_MAX, &value) >= 0 ? value : fallback;
}

bool pg_bool(const struct pg_result *r, size_t row, size_t column) {
    return strcmp(pg_text(r, row, column) ?: "f", "t") == 0;
}
