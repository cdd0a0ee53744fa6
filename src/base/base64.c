#include "base/base64.h"

int base64_append(struct buf *b, const void *bytes, size_t size) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *s = bytes;
    int r = 0;

    for (size_t i = 0; i < size && r >= 0; i += 3) {
        size_t left = size - i;
        unsigned three = (unsigned) s[i] << 16 | (left > 1 ? (unsigned) s[i + 1] << 8 : 0) | (left > 2 ? s[i + 2] : 0);
        char four[4] = {digits[three >> 18], digits[three >> 12 & 63], left > 1 ? digits[three >> 6 & 63] : '=',
                        left > 2 ? digits[three & 63] : '='};

        r = buf_append(b, four, sizeof(four));
    }
    return r;
}
