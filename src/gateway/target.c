#include "gateway/target.h"

#include <string.h>

#define DIGITS "0123456789"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define GROUP_SUFFIX "@g.us"
#define WHITE " \t\r\n\v\f"

enum { SPACES_MAX = 4, LOCAL_BYTES_MAX = 64, HOST_BYTES_MAX = 189 }; /* an address has 254 bytes at most */

bool text_is_digits(const char *text) {
    return *text && text[strspn(text, DIGITS)] == '\0';
}

bool text_is_blank(const char *text) {
    return !text || text[strspn(text, WHITE)] == '\0';
}

bool target_is_e164(const char *target) {
    size_t digits = target[0] == '+' ? strspn(target + 1, DIGITS) : 0;

    return digits >= 7 && digits <= 15 && target[1] != '0' && target[1 + digits] == '\0';
}

bool target_is_phone_group(const char *target) {
    size_t first = strspn(target, DIGITS), second;

    if (strncmp(target, "120363", 6) == 0 && first >= 18 && first <= 32 && strcmp(target + first, GROUP_SUFFIX) == 0)
        return true;
    if (first < 5 || first > 16 || target[first] != '-')
        return false;
    second = strspn(target + first + 1, DIGITS);
    return second == 10 && strcmp(target + first + 1 + second, GROUP_SUFFIX) == 0;
}

bool target_is_cloud_group(const char *target) {
    size_t size = strlen(target);

    return size >= 4 && size <= 512 &&
           strspn(target, DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+/=_-") == size;
}

/* A host's name: labels of letters, digits and inner hyphens. */
static bool is_host(const char *host) {
    size_t size = strlen(host);

    if (size == 0 || size > HOST_BYTES_MAX)
        return false;
    for (;;) {
        size_t label = strspn(host, DIGITS LETTERS "-");

        if (label == 0 || label > 63 || host[0] == '-' || host[label - 1] == '-')
            return false;
        if (host[label] != '.')
            return host[label] == '\0';
        host += label + 1;
    }
}

bool target_is_email(const char *target) {
    size_t local = strspn(target, DIGITS LETTERS ".!#$%&'*+/=?^_`{|}~-");

    if (local == 0 || local > LOCAL_BYTES_MAX || target[local] != '@' || target[0] == '.' || target[local - 1] == '.')
        return false;
    for (size_t i = 1; i < local; i++)
        if (target[i] == '.' && target[i - 1] == '.')
            return false;
    return is_host(target + local + 1);
}

int text_flatten(struct buf *b, const char *text) {
    int r = 0;

    buf_clear(b);
    while (*text && r >= 0) {
        size_t run = strspn(text, WHITE), rest;

        if (run > 0)
            r = run > SPACES_MAX || strspn(text, " ") < run ? buf_append_char(b, ' ') : buf_append(b, text, run);
        rest = strcspn(text + run, WHITE);
        if (r >= 0)
            r = buf_append(b, text + run, rest);
        text += run + rest;
    }
    return r;
}
