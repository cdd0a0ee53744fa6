/* Numbers, durations, truths and Retry-After: what is taken lies within the bounds, what is refused changes nothing. */
#include <errno.h>
#include <inttypes.h>

#include "fuzz.h"

#include "base/parse.h"

static void try_int(const char *text) {
    int64_t number = 4711, again = 0;
    char written[24];
    int r = parse_int(text, -1000, INT64_C(1) << 40, &number);

    HOLDS(r == 0 || r == -EINVAL || r == -ERANGE);
    HOLDS(r == 0 || number == 4711);
    if (r < 0)
        return;
    HOLDS(number >= -1000 && number <= INT64_C(1) << 40);
    (void) snprintf(written, sizeof(written), "%" PRId64, number);
    HOLDS(parse_int(written, INT64_MIN, INT64_MAX, &again) == 0 && again == number);
}

static void try_duration(const char *text) {
    static const uint64_t max_usec = UINT64_C(1) << 50;
    uint64_t usec = 4711, again = 0;
    char written[32];
    int r = parse_duration(text, max_usec, &usec);

    HOLDS(r == 0 || r == -EINVAL || r == -ERANGE);
    HOLDS(r == 0 ? usec <= max_usec : usec == 4711);
    (void) snprintf(written, sizeof(written), "%" PRIu64 " us", usec);
    HOLDS(parse_duration(written, max_usec, &again) == 0 && again == usec);
}

static void try_retry_after(const char *text) {
    int64_t seconds = 4711, digits;
    int r = parse_retry_after(text, INT64_C(1700000000), 86400, &seconds);

    HOLDS(r == 0 || r == -EINVAL);
    HOLDS(r == 0 ? seconds >= 0 && seconds <= 86400 : seconds == 4711);
    HOLDS(parse_int(text, 0, 86400, &digits) < 0 || (r == 0 && seconds == digits));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    _cleanup_(freep) char *text = copy_of((const char *) bytes, size);
    bool truth = false;
    int r = parse_bool(text, &truth);

    HOLDS(r == 0 || (r == -EINVAL && !truth));
    try_int(text);
    try_duration(text);
    try_retry_after(text);
    return 0;
}
