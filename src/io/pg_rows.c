/* The rows of a result, and their values. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "io/pg_internal.h"

size_t pg_rows(const struct pg_result *r) {
    return (size_t) PQntuples(r->rows);
}

size_t pg_columns(const struct pg_result *r) {
    return (size_t) PQnfields(r->rows);
}

const char *pg_column_name(const struct pg_result *r, size_t column) {
    return PQfname(r->rows, (int) column);
}

enum pg_type pg_column_type(const struct pg_result *r, size_t column) {
    Oid type = PQftype(r->rows, (int) column); /* the numbers of pg_type.dat never change */

    return type == 16 ? PG_BOOL : type == 20 || type == 21 || type == 23 ? PG_INT : PG_OTHER;
}

const char *pg_text(const struct pg_result *r, size_t row, size_t column) {
    assert(row < pg_rows(r) && column < pg_columns(r));
    return PQgetisnull(r->rows, (int) row, (int) column) ? NULL : PQgetvalue(r->rows, (int) row, (int) column);
}

size_t pg_text_bytes(const struct pg_result *r, size_t row, size_t column) {
    return (size_t) PQgetlength(r->rows, (int) row, (int) column);
}

struct pg_result *pg_result_take(const struct pg_result *r) {
    struct pg_result *taken = calloc(1, sizeof(*taken));

    if (taken) {
        *taken = *r;
        ((struct pg_result *) r)->rows = NULL; /* ours, in finish_query() */
    }
    return taken;
}

struct pg_result *pg_result_free(struct pg_result *r) {
    if (r)
        PQclear(r->rows);
    free(r);
    return NULL;
}

int64_t pg_int(const struct pg_result *r, size_t row, size_t column, int64_t fallback) {
    const char *text = pg_text(r, row, column);
    int64_t value;

    return text && parse_int(text, INT64_MIN, INT64_MAX, &value) >= 0 ? value : fallback;
}

bool pg_bool(const struct pg_result *r, size_t row, size_t column) {
    return strcmp(pg_text(r, row, column) ?: "f", "t") == 0;
}
