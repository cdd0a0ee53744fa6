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

static const EVP_MD *find_digest(enum hmac_digest digest) {
    return digest == HMAC_SHA1 ? EVP_sha1() : digest == HMAC_SHA256 ? EVP_sha256() : EVP_sha512();
}

int hmac_new(enum hmac_digest digest, const void *key, size_t key_size, struct hmac **ret) {
    _cleanup_(hmac_freep) struct hmac *h = calloc(1, sizeof(*h));

    if (!h)
        return -ENOMEM;
    h->key = EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL, key, key_size);
    h->context = EVP_MD_CTX_new();
    if (!h->key || !h->context || EVP_DigestSignInit(h->context, NULL, find_digest(digest), NULL, h->key) != 1)
        return -EIO;
    *ret = TAKE_PTR(h);
    return 0;
}

int hmac_add(struct hmac *h, const void *bytes, size_t size) {
    return EVP_DigestSignUpdate(h->context, bytes, size) == 1 ? 0 : -EIO;
}

int hmac_finish(struct hmac *h, unsigned char *ret, size_t ret_size) {
    size_t size = ret_size;

    /* libcrypto refuses where ret is too short. */
    return EVP_DigestSignFinal(h->context, ret, &size) == 1 && size == ret_size ? 0 : -EIO;
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
