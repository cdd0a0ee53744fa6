/* HMAC, and comparisons that take the same time whatever differs: the only user of libcrypto. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

enum { HMAC_BYTES = 32, HMAC_SHA1_BYTES = 20 };

struct hmac;

/* HMAC-SHA256. The key is copied. -EIO: libcrypto can't, as where its configuration forbids it. */
int hmac_new(const void *key, size_t key_size, struct hmac **ret) _must_check_;

/* HMAC-SHA1, for a gateway that signs with nothing better; its first HMAC_SHA1_BYTES count. */
int hmac_new_sha1(const void *key, size_t key_size, struct hmac **ret) _must_check_;
int hmac_add(struct hmac *h, const void *bytes, size_t size) _must_check_;
int hmac_finish(struct hmac *h, unsigned char ret[static HMAC_BYTES]) _must_check_;
struct hmac *hmac_free(struct hmac *h);
DEFINE_CLEANUP(struct hmac *, hmac_free)

/* Whether the bytes are equal. */
bool hmac_bytes_equal(const void *a, const void *b, size_t size);

/* Whether the texts are equal; tells nothing about where they differ, nor about how long the secret is. */
bool hmac_texts_equal(const char *secret, const char *text);
