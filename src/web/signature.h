/* Whether a webhook is signed, as its header claims. Pure. */
#pragma once

#include <stddef.h>

#include "base/cleanup.h"

/* X-Hub-Signature-256 of the Cloud API: "sha256=" and the HMAC-SHA256 of the body under the app's secret, in lower-case hex.
 * Whether the header (NULL: there was none) signs the body: 1, 0, or a negative errno. The body is what came, before anything
 * was made of it. Where it holds other bytes than ASCII, the signature may also be that of the same text with these written as
 * \uXXXX: the sender signs that form, and what came may have been written anew on the way. */
int signature_check(const char *header, const char *secret, const char *body, size_t size) _must_check_;

/* X-Webhook-Hmac of WAHA: the HMAC-SHA512 of the body under the session's hmac key, in lower-case hex. */
int signature_check_sha512(const char *header, const char *secret, const char *body, size_t size) _must_check_;
