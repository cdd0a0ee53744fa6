/* What the replies of a mail server mean. */
#pragma once

#include "gateway/outcome.h"

/* The table for what the reply is about. The code of its rules is smtp_enhanced_code(). */
const struct outcome_rule *smtp_table(enum mail_stage stage);

/* Of a reply's text ("550 5.1.1 no such user"): 5001001, or OUTCOME_CODE_NONE. */
int64_t smtp_enhanced_code(const char *text);
