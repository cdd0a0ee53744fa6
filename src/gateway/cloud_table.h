/* What the Cloud API's answers mean: the tables of gateway/cloud.c. */
#pragma once

#include <stdbool.h>

#include "gateway/outcome.h"

enum { CLOUD_CODE_OPTED_OUT = 131050 };

/* The table for an answer that is no success. code: error.code, or OUTCOME_CODE_NONE; has_error: the body is a JSON object with
 * an object "error"; is_transient: the flag in it. */
const struct outcome_rule *cloud_table(const struct reply *reply, int64_t code, bool has_error, bool is_transient);
