/* The changes that a webhook of the Cloud API tells of: {"object": "whatsapp_business_account", "entry": [{"id", "time", "changes":
 * [{"field", "value"}]}]}, up to 1,000 updates a request, in no order, and again and again for seven days where the answer was
 * not 200. Pure. */
#pragma once

#include <stdint.h>

#include "base/cleanup.h"
#include "io/json.h"

/* Borrowed until the callback returns. */
struct change {
    const char *field; /* "messages", "user_preferences", … */
    const struct json_value *value;
    int64_t at_sec; /* of the entry, as it was written; 0: not said */
};

/* 0, or a negative errno, which ends the reading. */
typedef int (*change_fn)(const struct change *change, void *userdata);

/* Each change in order; what has no field or no value is passed over. -EBADMSG: no webhook of the Cloud API. */
int change_read(const struct json_value *root, change_fn on_change, void *userdata) _must_check_;
