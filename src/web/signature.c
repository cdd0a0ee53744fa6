#include "web/signature.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "io/hmac.h"

#define PREFIX "sha256="

static int hex_digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_hex(const char *hex, unsigned char *ret, size_t size) {
    if (strlen(hex) != 2 * size)
        return false;
    for (size_t i = 0; i < size; i++) {
        int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        ret[i] = (unsigned char) (high << 4 | low);
    }
    return true;
}

/* Reads one character of valid UTF-8 that is not ASCII; how many bytes it has. */
static size_t decode(const unsigned char *s, uint32_t *ret) {
    size_t size = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;

    *ret = s[0] & (0xffU >> (size + 1));
    for (size_t i = 1; i < size; i++)
        *ret = *ret << 6 | (s[i] & 0x3fU);
    return size;
}

static int add_escaped(struct hmac *h, const char *body, size_t size) {
    const unsigned char *s = (const unsigned char *) body, *end = s + size;
    int r = 0;

    while (s < end && r >= 0) {
        const unsigned char *plain = s;
        char text[16];
        uint32_t c;

        while (s < end && *s < 0x80)
            s++;
        if (s > plain)
            r = hmac_add(h, plain, (size_t) (s - plain));
        if (s == end || r < 0)
            break;
        s += decode(s, &c);
        if (c >= 0x10000)
            (void) snprintf(text, sizeof(text), "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + ((c - 0x10000) & 0x3ff));
        else
            (void) snprintf(text, sizeof(text), "\\u%04x", c);
        r = hmac_add(h, text, strlen(text));
    }
    return r;
}

static int compare(const unsigned char *claimed, const char *secret, const char *body, size_t size, bool is_escaped) {
    _cleanup_(hmac_freep) struct hmac *h = NULL;
    unsigned char ours[HMAC_SHA256];
    int r = hmac_new(HMAC_SHA256, secret, strlen(secret), &h);

    if (r >= 0)
        r = is_escaped ? add_escaped(h, body, size) : hmac_add(h, body, size);
    if (r >= 0)
        r = hmac_finish(h, ours, sizeof(ours));
    return r < 0 ? r : hmac_bytes_equal(claimed, ours, HMAC_SHA256);
}

static bool is_ascii(const char *body, size_t size) {
    for (size_t i = 0; i < size; i++)
        if ((unsigned char) body[i] >= 0x80)
            return false;
    return true;
}

int signature_check(const char *header, const char *secret, const char *body, size_t size) {
    unsigned char claimed[HMAC_SHA256];
    int r;

    if (!header || strncmp(header, PREFIX, strlen(PREFIX)) != 0 || !parse_hex(header + strlen(PREFIX), claimed, HMAC_SHA256))
        return 0;
    r = compare(claimed, secret, body, size, false);
    if (r != 0 || is_ascii(body, size) || !text_is_utf8(body, size))
        return r;
    return compare(claimed, secret, body, size, true);
}

int signature_check_sha512(const char *header, const char *secret, const char *body, size_t size) {
    _cleanup_(hmac_freep) struct hmac *h = NULL;
    unsigned char claimed[HMAC_SHA512], ours[HMAC_SHA512];
    int r;

    if (!header || !parse_hex(header, claimed, HMAC_SHA512))
        return 0;
    r = hmac_new(HMAC_SHA512, secret, strlen(secret), &h);
    if (r >= 0)
        r = hmac_add(h, body, size);
    if (r >= 0)
        r = hmac_finish(h, ours, sizeof(ours));
    return r < 0 ? r : hmac_bytes_equal(claimed, ours, HMAC_SHA512);
}
