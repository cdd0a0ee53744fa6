/* A line with what claims to be the signature, then the body: only the signature that the secret makes is taken. */
#include "fuzz.h"

#include "io/hmac.h"
#include "web/signature.h"

#define SECRET "0123456789abcdef0123456789abcdef"

static void sign(const char *body, size_t size, char *ret, size_t ret_size) {
    _cleanup_(hmac_freep) struct hmac *h = NULL;
    unsigned char bytes[HMAC_BYTES];
    int used = snprintf(ret, ret_size, "sha256=");

    HOLDS(hmac_new(SECRET, strlen(SECRET), &h) == 0);
    HOLDS(hmac_add(h, body, size) == 0);
    HOLDS(hmac_finish(h, bytes) == 0);
    for (size_t i = 0; i < HMAC_BYTES; i++)
        used += snprintf(ret + used, ret_size - (size_t) used, "%02x", bytes[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct input in = input_of(bytes, size);
    _cleanup_(freep) char *claimed = input_line(&in), *body = copy_of(in.bytes, in.size);
    char right[7 + 2 * HMAC_BYTES + 1];

    sign(body, in.size, right, sizeof(right));
    HOLDS(signature_check(right, SECRET, body, in.size) == 1);
    HOLDS(signature_check(claimed, SECRET, body, in.size) == (strcmp(claimed, right) == 0));
    HOLDS(signature_check(right, "another secret", body, in.size) == 0);
    right[7 + size % (2 * HMAC_BYTES)] ^= 1;
    HOLDS(signature_check(right, SECRET, body, in.size) == 0);
    return 0;
}
