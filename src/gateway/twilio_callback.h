/* What Twilio calls back to tell what became of a message: the address that it is given, and how it signs. */
#pragma once

#include <stdint.h>

#include "base/base64.h"
#include "io/form.h"
#include "io/hmac.h"

enum { TWILIO_SIGNATURE_BYTES = BASE64_BYTES(HMAC_SHA1) };

/* The name of our "ID.ATTEMPT" in the query. */
#define TWILIO_ECHO "id"

/* Appends account.status_callback with the echo in its query. */
int twilio_write_callback(struct buf *b, const char *status_callback, int64_t id, int64_t attempt_id);

/* X-Twilio-Signature of a form that is posted to the URL. -ENOMEM, -EIO. */
int twilio_sign(const char *auth_token, const char *url, const struct form *form, char ret[static TWILIO_SIGNATURE_BYTES])
        _must_check_;
