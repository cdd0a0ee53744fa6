/* Whether a webhook's row is complete: the check of gateway/webhook.c. */
#pragma once

#include "gateway/gateway.h"

/* Where the account says how such a message is written: path and body. */
const struct json_value *webhook_form(const struct json_value *account, const struct message *message);

/* As check() in gateway/gateway.h. */
int webhook_check(const struct sender *sender, struct buf *reterr) _must_check_;

/* "POST", "PUT" or "PATCH" for the account's method (static), POST where it names none, NULL for another. */
const char *webhook_method(const struct json_value *account);
