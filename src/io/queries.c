#include "io/queries.h"

#include <assert.h>

const struct query_text *query_text(enum query query) {
    static const struct query_text texts[] = {
#define QUERY(id, statement_name, parameter_count, statement) \
    [QUERY_##id] = {.name = statement_name, .text = statement, .parameters = parameter_count},
#include "queries.inc"
#undef QUERY
    };

    assert(query < QUERY_COUNT_);
    return &texts[query];
}
