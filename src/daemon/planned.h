/* What the journal is told of the planner's tasks. */
#pragma once

#include <stdint.h>

#include "daemon/store.h"

/* One line with the figures of a sweep. */
void planned_log_swept(const struct store_planned *d);

/* A rule could not be planned; why is for a person. */
void planned_log_failed(const char *rule, const char *why);

/* What herald.plan() or herald.plan_and_claim() said, where a person should hear of it; error may be NULL. */
void planned_log_outcome(const char *rule, const char *result, const char *error, int64_t set_aside);
