/* A line with what claims to be the signature, then the body: only the signature that the secret makes is taken. */
#include "fuzz.h"

#include "io/hmac.h"
#include "web/signature.h"

#define SECRET "0123456789abcdef0123456789abcdef"

static const struct {
    int (*check)(const char *header, const char *secret, const char *body, size_t size);
    enum hmac_digest digest;
    const char *prefix;
} schemes[] = {{signature_check, HMAC_SHA256, "sha256="}, {signature_check_sha512, HMAC_SHA512, ""}};

static void sign(enum hmac_digest digest, const char *prefix, const char *body, size_t size, char *ret, size_t ret_size) {
    _cleanup_(hmac_freep) struct hmac *h = NULL;
    unsigned char bytes[HMAC_SHA512];
    int used = snprintf(ret, ret_size, "%s", prefix);

    HOLDS(hmac_new(digest, SECRET, strlen(SECRET), &h) == 0);
    HOLDS(hmac_add(h, body, size) == 0);
    HOLDS(hmac_finish(h, bytes, digest) == 0);
    for (size_t i = 0; i < digest; i++)
        used += snprintf(ret + used, ret_size - (size_t) used, "%02x", bytes[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct input in = input_of(bytes, size);
    _cleanup_(freep) char *claimed = input_line(&in), *body = copy_of(in.bytes, in.size);
    char right[7 + 2 * HMAC_SHA512 + 1];

    for (size_t i = 0; i < ELEMENTSOF(schemes); i++) {
        size_t digits = 2 * (size_t) schemes[i].digest;

        sign(schemes[i].digest, schemes[i].prefix, body, in.size, right, sizeof(right));
        HOLDS(schemes[i].check(right, SECRET, body, in.size) == 1);
        HOLDS(schemes[i].check(claimed, SECRET, body, in.size) == (strcmp(claimed, right) == 0));
        HOLDS(schemes[i].check(right, "another secret", body, in.size) == 0);
        right[strlen(schemes[i].prefix) + size % digits] ^= 1;
        HOLDS(schemes[i].check(right, SECRET, body, in.size) == 0);
    }
    return 0;
}
