/* What Twilio's answers mean. */
#pragma once

#include "gateway/outcome.h"

enum { TWILIO_CODE_OPTED_OUT = 21610 };

/* The table that decides about an answer that is no success. code: Twilio's own, or OUTCOME_CODE_NONE: then it may not even be
 * Twilio who speaks. */
const struct outcome_rule *twilio_table(const struct reply *reply, int64_t code);

/* The table for a message that was made and had failed at once, as its code says. */
const struct outcome_rule *twilio_failed_table(const struct reply *reply, int64_t code);

/* What a documented code says, for a person; NULL for another. */
const char *twilio_meaning(int64_t code);
