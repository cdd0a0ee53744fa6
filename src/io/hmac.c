#include "io/hmac.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

struct hmac {
    EVP_PKEY *key;
    EVP_MD_CTX *context;
};

struct hmac *hmac_free(struct hmac *h) {
    if (!h)
        return NULL;
    EVP_MD_CTX_free(h->context);
    EVP_PKEY_free(h->key);
    free(h);
    return NULL;
}

static int hmac_new_of(const EVP_MD *digest, const void *key, size_t key_size, struct hmac **ret) {
    _cleanup_(hmac_freep) struct hmac *h = calloc(1, sizeof(*h));

    if (!h)
        return -ENOMEM;
    h->key = EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL, key, key_size);
    h->context = EVP_MD_CTX_new();
    if (!h->key || !h->context || EVP_DigestSignInit(h->context, NULL, digest, NULL, h->key) != 1)
        return -EIO;
    *ret = TAKE_PTR(h);
    return 0;
}

int hmac_new(const void *key, size_t key_size, struct hmac **ret) {
    return hmac_new_of(EVP_sha256(), key, key_size, ret);
}

int hmac_new_sha1(const void *key, size_t key_size, struct hmac **ret) {
    return hmac_new_of(EVP_sha1(), key, key_size, ret);
}

int hmac_add(struct hmac *h, const void *bytes, size_t size) {
    return EVP_DigestSignUpdate(h->context, bytes, size) == 1 ? 0 : -EIO;
}

int hmac_finish(struct hmac *h, unsigned char ret[static HMAC_BYTES]) {
    size_t size = HMAC_BYTES;

    return EVP_DigestSignFinal(h->context, ret, &size) == 1 && (size == HMAC_BYTES || size == HMAC_SHA1_BYTES) ? 0 : -EIO;
}

bool hmac_bytes_equal(const void *a, const void *b, size_t size) {
    return CRYPTO_memcmp(a, b, size) == 0;
}

bool hmac_texts_equal(const char *secret, const char *text) {
    unsigned char a[EVP_MAX_MD_SIZE], b[EVP_MAX_MD_SIZE];
    unsigned size = 0;

    /* Digests have one length, whatever theirs. */
    if (EVP_Digest(secret, strlen(secret), a, &size, EVP_sha256(), NULL) != 1 ||
        EVP_Digest(text, strlen(text), b, &size, EVP_sha256(), NULL) != 1)
        return false;
    return hmac_bytes_equal(a, b, size);
}
