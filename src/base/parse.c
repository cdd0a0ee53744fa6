#include "base/parse.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Digits from *text on, at least one; *text moves behind them. Saturates, and says so with -ERANGE. */
static int parse_digits(const char **text, uint64_t *ret) {
    const char *s = *text;
    uint64_t number = 0;
    bool is_too_large = false;

    if (!is_digit(*s))
        return -EINVAL;
    for (; is_digit(*s); s++)
        if (__builtin_mul_overflow(number, UINT64_C(10), &number) ||
            __builtin_add_overflow(number, (uint64_t) (*s - '0'), &number))
            is_too_large = true;
    *text = s;
    *ret = number;
    return is_too_large ? -ERANGE : 0;
}

int parse_int(const char *text, int64_t min, int64_t max, int64_t *ret) {
    bool is_negative = text[0] == '-';
    const char *s = text + is_negative;
    uint64_t magnitude;
    int64_t number;
    int r;

    r = parse_digits(&s, &magnitude);
    if (r == -EINVAL || *s)
        return -EINVAL;
    if (r < 0 || magnitude > (uint64_t) INT64_MAX + is_negative)
        return -ERANGE;
    number = is_negative ? (int64_t) (0 - magnitude) : (int64_t) magnitude;
    if (number < min || number > max)
        return -ERANGE;
    *ret = number;
    return 0;
}

struct unit {
    const char *name;
    uint64_t usec;
};

static int unit_find(const char *name, uint64_t *ret_usec) {
    static const struct unit units[] = {
        {"", USEC_PER_SEC},
        {"us", 1},
        {"ms", USEC_PER_MSEC},
        {"s", USEC_PER_SEC},
        {"sec", USEC_PER_SEC},
        {"second", USEC_PER_SEC},
        {"seconds", USEC_PER_SEC},
        {"min", USEC_PER_MINUTE},
        {"minute", USEC_PER_MINUTE},
        {"minutes", USEC_PER_MINUTE},
        {"h", 60 * USEC_PER_MINUTE},
        {"hour", 60 * USEC_PER_MINUTE},
        {"hours", 60 * USEC_PER_MINUTE},
        {"d", 24 * 60 * USEC_PER_MINUTE},
        {"day", 24 * 60 * USEC_PER_MINUTE},
        {"days", 24 * 60 * USEC_PER_MINUTE},
    };

    for (size_t i = 0; i < ELEMENTSOF(units); i++)
        if (strcmp(units[i].name, name) == 0) {
            *ret_usec = units[i].usec;
            return 0;
        }
    return -EINVAL;
}

int parse_duration(const char *text, uint64_t max_usec, uint64_t *ret_usec) {
    uint64_t whole, fraction = 0, fraction_scale = 1, unit_usec;
    unsigned __int128 total;
    const char *s = text;
    int range, r;

    range = parse_digits(&s, &whole);
    if (range == -EINVAL)
        return -EINVAL;
    if (*s == '.') {
        if (!is_digit(*++s))
            return -EINVAL;
        for (; is_digit(*s); s++)
            if (fraction_scale < UINT64_C(1000000000000)) {
                fraction = fraction * 10 + (uint64_t) (*s - '0');
                fraction_scale *= 10;
            }
    }
    while (*s == ' ')
        s++;
    if (s > text && s[-1] == ' ' && !*s)
        return -EINVAL;
    r = unit_find(s, &unit_usec);
    if (r < 0)
        return r;
    if (range < 0)
        return range;

    total = (unsigned __int128) whole * unit_usec + (unsigned __int128) fraction * unit_usec / fraction_scale;
    if (total > max_usec)
        return -ERANGE;
    *ret_usec = (uint64_t) total;
    return 0;
}

int parse_bool(const char *text, bool *ret) {
    static const char *const yes[] = {"true", "yes", "on", "1"};
    static const char *const no[] = {"false", "no", "off", "0"};

    for (size_t i = 0; i < ELEMENTSOF(yes); i++) {
        if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
            *ret = strcasecmp(text, yes[i]) == 0;
            return 0;
        }
    }
    return -EINVAL;
}

/* strptime would follow the locale. */
int parse_http_date(const char *text, int64_t *ret_sec) {
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm tm = {0};
    char month[4] = "", weekday[10] = "";
    const char *found;
    int end = 0;

    if (sscanf(text, "%3[A-Za-z], %2d %3s %4d %2d:%2d:%2d GMT%n", weekday, &tm.tm_mday, month, &tm.tm_year, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec, &end) == 7 && end > 0 && !text[end]) {
        tm.tm_year -= 1900;
    } else if (end = 0, sscanf(text, "%9[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d GMT%n", weekday, &tm.tm_mday, month,
                               &tm.tm_year, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &end) == 7 && end > 0 && !text[end]) {
        tm.tm_year += tm.tm_year < 70 ? 100 : 0;
    } else if (end = 0, sscanf(text, "%3[A-Za-z] %3s %2d %2d:%2d:%2d %4d%n", weekday, month, &tm.tm_mday, &tm.tm_hour,
                               &tm.tm_min, &tm.tm_sec, &tm.tm_year, &end) == 7 && end > 0 && !text[end]) {
        tm.tm_year -= 1900;
    } else {
        return -EINVAL;
    }

    found = strlen(month) == 3 ? strstr(months, month) : NULL;
    if (!found || (found - months) % 3 != 0 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour < 0 || tm.tm_hour > 23 ||
        tm.tm_min < 0 || tm.tm_min > 59 || tm.tm_sec < 0 || tm.tm_sec > 60)
        return -EINVAL;
    tm.tm_mon = (int) (found - months) / 3;
    *ret_sec = (int64_t) timegm(&tm);
    return 0;
}

int parse_retry_after(const char *text, int64_t now_sec, int64_t max_sec, int64_t *ret_sec) {
    int64_t seconds, when;
    int r;

    r = parse_int(text, 0, INT64_MAX, &seconds);
    if (r == -ERANGE && text[0] != '-')
        seconds = max_sec; /* any number of digits is a wait */
    else if (r < 0) {
        r = parse_http_date(text, &when);
        if (r < 0)
            return r;
        seconds = when > now_sec ? when - now_sec : 0;
    }
    *ret_sec = seconds > max_sec ? max_sec : seconds;
    return 0;
}
