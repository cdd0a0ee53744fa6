/* The named statements of sql/queries.sql: build/queries.inc is made from it. */
#pragma once

#include <stddef.h>

enum query {
#define QUERY(id, name, parameters, text) QUERY_##id,
#include "queries.inc"
#undef QUERY
    QUERY_COUNT_,
};

struct query_text {
    const char *name;
    const char *text;
    size_t parameters; /* how many $n it has */
};

/* The statement; static. */
const struct query_text *query_text(enum query query);
