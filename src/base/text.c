#include "base/text.h"

#include <stdint.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* Bytes of the well-formed UTF-8 character at the start (RFC 3629, table 3-7 of Unicode), or 0. */
static size_t utf8_character_bytes(const unsigned char *s, size_t size) {
    unsigned char low = 0x80, high = 0xbf; /* of the second byte */
    size_t bytes;

    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xc2 && s[0] <= 0xdf)
        bytes = 2;
    else if (s[0] >= 0xe0 && s[0] <= 0xef)
        bytes = 3;
    else if (s[0] >= 0xf0 && s[0] <= 0xf4)
        bytes = 4;
    else
        return 0;
    if (s[0] == 0xe0)
        low = 0xa0;
    else if (s[0] == 0xed)
        high = 0x9f;
    else if (s[0] == 0xf0)
        low = 0x90;
    else if (s[0] == 0xf4)
        high = 0x8f;

    if (size < bytes || s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < bytes; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return bytes;
}

bool text_is_utf8(const char *bytes, size_t size) {
    const unsigned char *s = (const unsigned char *) bytes;
    size_t n;

    for (size_t i = 0; i < size; i += n) {
        n = utf8_character_bytes(s + i, size - i);
        if (n == 0 || s[i] == '\0')
            return false;
    }
    return true;
}

int text_append_utf8(struct buf *b, const char *bytes, size_t size, size_t max_bytes) {
    const unsigned char *s = (const unsigned char *) bytes;
    size_t appended = 0, i = 0;

    while (i < size) {
        size_t n = utf8_character_bytes(s + i, size - i);
        bool is_good = n > 0 && s[i] != '\0';
        size_t more = is_good ? n : strlen(REPLACEMENT);
        int r;

        if (more > max_bytes - appended)
            break;
        r = buf_append(b, is_good ? bytes + i : REPLACEMENT, more);
        if (r < 0)
            return r;
        appended += more;
        i += is_good ? n : 1;
    }
    return 0;
}

/* U+2028 and U+2029, which are line ends, U+202A..U+202E and U+2066..U+2069, which turn the order of what follows: 0, or its code.
 * Each has three bytes. */
static unsigned reordering_character(const unsigned char *s) {
    unsigned code = (s[0] & 0x0fU) << 12 | (s[1] & 0x3fU) << 6 | (s[2] & 0x3fU);

    return (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ? code : 0;
}

/* One character of a printable text: how many bytes it takes, and in shown what stands for it, unless it stands for itself. */
static size_t printable_character(const unsigned char *s, size_t size, char shown[9]) {
    size_t n = utf8_character_bytes(s, size);

    shown[0] = '\0';
    if (n == 0 || (n == 1 && (s[0] < 0x20 || s[0] == 0x7f))) {
        (void) snprintf(shown, 9, "\\x%02x", s[0]);
        return 1;
    }
    if (n == 2 && s[0] == 0xc2 && s[1] < 0xa0)
        (void) snprintf(shown, 9, "\\x%02x\\x%02x", s[0], s[1]);
    if (n == 3 && reordering_character(s))
        (void) snprintf(shown, 9, "\\u%04x", reordering_character(s));
    return n;
}

int text_append_printable(struct buf *b, const char *text, size_t max_bytes) {
    const unsigned char *s = (const unsigned char *) text;
    size_t size = strlen(text), appended = 0, n;
    char shown[9];

    for (size_t i = 0; i < size; i += n) {
        size_t more;
        int r;

        n = printable_character(s + i, size - i, shown);
        more = shown[0] ? strlen(shown) : n;
        if (more > max_bytes - appended)
            break;
        r = buf_append(b, shown[0] ? shown : text + i, more);
        if (r < 0)
            return r;
        appended += more;
    }
    return 0;
}

bool text_is_header_safe(const char *text) {
    for (const unsigned char *s = (const unsigned char *) text; *s; s++)
        if (*s < 0x20 || *s == 0x7f)
            return false;
    return true;
}

size_t text_length(const char *text) {
    size_t length = 0;

    for (const unsigned char *s = (const unsigned char *) text; *s; s++)
        length += (*s & 0xc0) != 0x80;
    return length;
}
