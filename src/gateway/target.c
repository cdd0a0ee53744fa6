#include "gateway/target.h"

#include <string.h>

#define DIGITS "0123456789"
#define GROUP_SUFFIX "@g.us"
#define WHITE " \t\r\n\v\f"

enum { SPACES_MAX = 4 };

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
