#include "unit.h"

#include <errno.h>

#include "base/clock.h"
#include "base/parse.h"

static void test_int(void **state) {
    static const struct {
        const char *text;
        int64_t min, max;
        int r;
        int64_t number;
    } rows[] = {
        {"0", 0, 10, 0, 0},
        {"-0", 0, 10, 0, 0},
        {"007", 0, 10, 0, 7},
        {"10", 0, 10, 0, 10},
        {"11", 0, 10, -ERANGE, 0},
        {"-1", 0, 10, -ERANGE, 0},
        {"-5", -5, 5, 0, -5},
        {"9223372036854775807", INT64_MIN, INT64_MAX, 0, INT64_MAX},
        {"9223372036854775808", INT64_MIN, INT64_MAX, -ERANGE, 0},
        {"-9223372036854775808", INT64_MIN, INT64_MAX, 0, INT64_MIN},
        {"-9223372036854775809", INT64_MIN, INT64_MAX, -ERANGE, 0},
        {"18446744073709551616", INT64_MIN, INT64_MAX, -ERANGE, 0},
        {"99999999999999999999999999", INT64_MIN, INT64_MAX, -ERANGE, 0},
        {"99999999999999999999999999x", INT64_MIN, INT64_MAX, -EINVAL, 0},
        {"", 0, 10, -EINVAL, 0},
        {"-", -10, 10, -EINVAL, 0},
        {"--1", -10, 10, -EINVAL, 0},
        {"+1", 0, 10, -EINVAL, 0},
        {" 1", 0, 10, -EINVAL, 0},
        {"1 ", 0, 10, -EINVAL, 0},
        {"1.0", 0, 10, -EINVAL, 0},
        {"0x1", 0, 10, -EINVAL, 0},
        {"1e1", 0, 10, -EINVAL, 0},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        int64_t number = 4711;

        if (parse_int(rows[i].text, rows[i].min, rows[i].max, &number) != rows[i].r)
            fail_msg("\"%s\" gives another answer", rows[i].text);
        assert_int_equal(number, rows[i].r == 0 ? rows[i].number : 4711);
    }
}

static void test_duration(void **state) {
    static const struct {
        const char *text;
        int r;
        uint64_t usec;
    } rows[] = {
        {"3", 0, 3 * USEC_PER_SEC},
        {"0", 0, 0},
        {"3 s", 0, 3 * USEC_PER_SEC},
        {"3s", 0, 3 * USEC_PER_SEC},
        {"1.5 s", 0, 1500 * USEC_PER_MSEC},
        {"250 ms", 0, 250 * USEC_PER_MSEC},
        {"0.001 ms", 0, 1},
        {"15 min", 0, 15 * USEC_PER_MINUTE},
        {"2 h", 0, 120 * USEC_PER_MINUTE},
        {"1 day", 0, 1440 * USEC_PER_MINUTE},
        {"2 days", 0, 2880 * USEC_PER_MINUTE},
        {"1.00000000000000000000000000001 s", 0, USEC_PER_SEC},
        {"30 days", -ERANGE, 0},
        {"99999999999999999999 s", -ERANGE, 0},
        {"18446744073709551615 days", -ERANGE, 0},
        {"99999999999999999999 parsecs", -EINVAL, 0},
        {"", -EINVAL, 0},
        {"s", -EINVAL, 0},
        {"-1 s", -EINVAL, 0},
        {"1. s", -EINVAL, 0},
        {".5 s", -EINVAL, 0},
        {"3 ", -EINVAL, 0},
        {" 3", -EINVAL, 0},
        {"3 s ", -EINVAL, 0},
        {"3 s 4", -EINVAL, 0},
        {"3 S", -EINVAL, 0},
        {"3\ts", -EINVAL, 0},
        {"3 fortnights", -EINVAL, 0},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        uint64_t usec = 4711;

        if (parse_duration(rows[i].text, 10 * 1440 * USEC_PER_MINUTE, &usec) != rows[i].r)
            fail_msg("\"%s\" gives another answer", rows[i].text);
        assert_int_equal(usec, rows[i].r == 0 ? rows[i].usec : 4711);
    }
}

static void test_bool(void **state) {
    static const char *const yes[] = {"true", "yes", "on", "1", "TRUE", "On"};
    static const char *const no[] = {"false", "no", "off", "0", "False"};
    static const char *const neither[] = {"", "2", "t", "tru", "truee", " true", "enabled"};
    bool b;

    for (size_t i = 0; i < ELEMENTSOF(yes); i++) {
        b = false;
        assert_int_equal(parse_bool(yes[i], &b), 0);
        assert_true(b);
    }
    for (size_t i = 0; i < ELEMENTSOF(no); i++) {
        b = true;
        assert_int_equal(parse_bool(no[i], &b), 0);
        assert_false(b);
    }
    for (size_t i = 0; i < ELEMENTSOF(neither); i++)
        assert_int_equal(parse_bool(neither[i], &b), -EINVAL);
}

static void test_retry_after(void **state) {
    /* Sun, 06 Nov 1994 08:49:37 GMT, the RFC's own example */
    const uint64_t example_usec = UINT64_C(784111777) * USEC_PER_SEC;
    static const struct {
        const char *text;
        int64_t before_sec; /* how long before the example's moment it is now */
        int r;
        int64_t sec;
    } rows[] = {
        {"120", 0, 0, 120},
        {"0", 0, 0, 0},
        {"86400", 0, 0, 86400},
        {"86401", 0, 0, 86400},
        {"99999999999999999999999", 0, 0, 86400},
        {"Sun, 06 Nov 1994 08:49:37 GMT", 90, 0, 90},
        {"Sunday, 06-Nov-94 08:49:37 GMT", 90, 0, 90},
        {"Sun Nov  6 08:49:37 1994", 90, 0, 90},
        {"Sun, 06 Nov 1994 08:49:37 GMT", -90, 0, 0},
        {"Sun, 06 Nov 1994 08:49:37 GMT", 100000, 0, 86400},
        {"Sun, 06 Nov 9999 08:49:37 GMT", 0, 0, 86400},
        {"Sun, 06 Nov 1994 08:49:37 GMT+1", 0, -EINVAL, 0},
        {"Sun, 06 Nov 1994 08:49:37", 0, -EINVAL, 0},
        {"Sun, 06 Xxx 1994 08:49:37 GMT", 0, -EINVAL, 0},
        {"Sun, 06 ovD 1994 08:49:37 GMT", 0, -EINVAL, 0},
        {"Sun, 36 Nov 1994 08:49:37 GMT", 0, -EINVAL, 0},
        {"Sun, 06 Nov 1994 28:49:37 GMT", 0, -EINVAL, 0},
        {"-1", 0, -EINVAL, 0},
        {"-99999999999999999999999", 0, -EINVAL, 0},
        {"", 0, -EINVAL, 0},
        {"soon", 0, -EINVAL, 0},
        {"1.5", 0, -EINVAL, 0},
        {"120 ", 0, -EINVAL, 0},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        int64_t now_sec = (int64_t) (example_usec / USEC_PER_SEC) - rows[i].before_sec;
        int64_t sec = 4711;

        if (parse_retry_after(rows[i].text, now_sec, 86400, &sec) != rows[i].r)
            fail_msg("\"%s\" gives another answer", rows[i].text);
        assert_int_equal(sec, rows[i].r == 0 ? rows[i].sec : 4711);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_int),
        cmocka_unit_test(test_duration),
        cmocka_unit_test(test_bool),
        cmocka_unit_test(test_retry_after),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
