/* HMAC, and comparisons that take the same time whatever differs: the only user of libcrypto. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

/* What is behind the HMAC, by the bytes that it has. SHA-1 is for a gateway that signs with nothing better. */
enum hmac_digest { HMAC_SHA1 = 20, HMAC_SHA256 = 32, HMAC_SHA512 = 64 };

struct hmac;

/* The key is copied. -EIO: libcrypto can't, as where its configuration forbids it. */
int hmac_new(enum hmac_digest digest, const void *key, size_t key_size, struct hmac **ret) _must_check_;
int hmac_add(struct hmac *h, const void *bytes, size_t size) _must_check_;

/* -EIO also where ret has not the digest's size. */
int hmac_finish(struct hmac *h, unsigned char *ret, size_t ret_size) _must_check_;
struct hmac *hmac_free(struct hmac *h);
DEFINE_CLEANUP(struct hmac *, hmac_free)

/* Whether the bytes are equal. */
bool hmac_bytes_equal(const void *a, const void *b, size_t size);

/* Whether the texts are equal; tells nothing about where they differ, nor about how long the secret is. */
bool hmac_texts_equal(const char *secret, const char *text);
