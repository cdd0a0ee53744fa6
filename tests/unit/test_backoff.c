#include "unit.h"

#include "base/backoff.h"
#include "base/clock.h"

static void test_grows_to_the_cap(void **state) {
    struct backoff b = {.floor_usec = 10, .base_usec = 1000, .cap_usec = 9000};
    static const uint64_t ceilings[] = {1000, 2000, 4000, 8000, 9000, 9000};

    for (size_t i = 0; i < sizeof(ceilings) / sizeof(ceilings[0]); i++) {
        struct backoff low = b, middle = b;

        assert_int_equal(backoff_next_usec(&low, 0), 10); /* the floor */
        assert_int_equal(backoff_next_usec(&middle, UINT64_C(1) << 63), (ceilings[i] + 1) / 2);
        assert_int_equal(backoff_next_usec(&b, UINT64_MAX), ceilings[i]);
        assert_int_equal(b.failures, i + 1);
    }
    backoff_reset(&b);
    assert_int_equal(backoff_next_usec(&b, UINT64_MAX), 1000);
}

static void test_never_overflows(void **state) {
    struct backoff b = {.floor_usec = 1, .base_usec = UINT64_MAX / 3, .cap_usec = UINT64_MAX};

    assert_int_equal(backoff_next_usec(&b, UINT64_MAX), UINT64_MAX / 3);
    for (int i = 0; i < 200; i++)
        assert_true(backoff_next_usec(&b, UINT64_MAX) >= UINT64_MAX / 3);
    b.failures = UINT32_MAX;
    assert_int_equal(backoff_next_usec(&b, UINT64_MAX), UINT64_MAX);
    assert_int_equal(b.failures, UINT32_MAX);
}

static void test_nothing_is_waited_for_without_base(void **state) {
    struct backoff b = {.floor_usec = 7};

    for (int i = 0; i < 5; i++)
        assert_int_equal(backoff_next_usec(&b, UINT64_MAX), 7);
}

static void test_is_uniform(void **state) {
    unsigned buckets[10] = {0};

    /* 10,000 draws into ten buckets: each 1,000, give or take eight standard deviations. */
    for (int i = 0; i < 10000; i++) {
        struct backoff b = {.base_usec = 999, .cap_usec = 999};

        buckets[backoff_next_usec(&b, random_u64()) / 100]++;
    }
    for (int i = 0; i < 10; i++)
        assert_in_range(buckets[i], 760, 1240);
}

static void test_clocks(void **state) {
    uint64_t before = clock_monotonic_usec();

    assert_true(clock_monotonic_usec() >= before);
    assert_true(clock_wall_usec() > UINT64_C(1577836800) * USEC_PER_SEC); /* later than 2020 */
    assert_true(clock_wall_usec() < UINT64_C(32503680000) * USEC_PER_SEC); /* and in microseconds */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows_to_the_cap),
        cmocka_unit_test(test_never_overflows),
        cmocka_unit_test(test_nothing_is_waited_for_without_base),
        cmocka_unit_test(test_is_uniform),
        cmocka_unit_test(test_clocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
