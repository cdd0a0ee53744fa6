#include "unit.h"

#include "daemon/bell.h"

enum { START = 1000 * 1000 * 1000, MS = 1000, SEC = 1000 * 1000 };

struct fixture {
    struct bell bell;
    uint64_t now;
};

static struct fixture started(void) {
    struct fixture f = {.now = START};

    bell_start(&f.bell, f.now);
    return f;
}

static void look(struct fixture *f, uint64_t xmin, int64_t sequence, bool found) {
    assert_int_equal(bell_next(&f->bell, f->now), BELL_LOOK);
    bell_looks(&f->bell);
    bell_looked(&f->bell, f->now, xmin, sequence, found, false);
}

/* Goes on to the moment for which it asked. */
static void wait_for_next(struct fixture *f) {
    assert_int_equal(bell_next(&f->bell, f->now), BELL_WAIT);
    assert_true(bell_next_usec(&f->bell) > f->now);
    f->now = bell_next_usec(&f->bell);
}

/* Up to the first look of its doze, with this horizon. */
static struct fixture dozing(uint64_t horizon) {
    struct fixture f = started();

    look(&f, 100, 7, true); /* the first look sees the sequence for the first time */
    while (bell_next(&f.bell, f.now) != BELL_SAY_ASLEEP) {
        wait_for_next(&f);
        look(&f, 100, 7, false);
    }
    assert_false(bell_is_down(&f.bell));
    bell_said(&f.bell, f.now);
    assert_int_equal(bell_next(&f.bell, f.now), BELL_TAKE_HORIZON);
    bell_took_horizon(&f.bell, f.now, horizon);
    return f;
}

static struct fixture asleep(void) {
    struct fixture f = dozing(200);

    look(&f, 200, 7, false);
    assert_int_equal(f.bell.state, BELL_ASLEEP);
    return f;
}

static void test_lingers_two_seconds_before_it_lies_down(void **state) {
    struct fixture f = dozing(200);

    assert_in_range(f.now, START + 2 * SEC, START + 2 * SEC + 25 * MS);
}

static void test_stays_up_while_the_sequence_moves(void **state) {
    struct fixture f = started();

    /* An event each 100 ms, none of which a look finds: another node plans them. */
    look(&f, 100, 0, false);
    for (int64_t i = 1; f.now < START + 10 * SEC; i++) {
        wait_for_next(&f);
        look(&f, 100, (int64_t) (f.now - START) / (100 * MS), false);
        assert_int_equal(f.bell.state, BELL_AWAKE);
    }
}

static void test_looks_every_few_milliseconds_while_awake(void **state) {
    struct fixture f = started();

    look(&f, 100, 1, true);
    assert_in_range(bell_next_usec(&f.bell) - f.now, 1, 5 * MS);
    for (int i = 0; i < 50; i++) {
        wait_for_next(&f);
        look(&f, 100, 1, false);
        assert_in_range(bell_next_usec(&f.bell) - f.now, 1, 40 * MS);
    }
}

static void test_says_so_before_it_takes_the_horizon(void **state) {
    struct fixture f = dozing(200);

    /* From saying so on, nobody may be told otherwise. */
    assert_true(bell_is_down(&f.bell));
    assert_int_equal(f.bell.state, BELL_DOZING);
}

static void test_only_a_look_from_beyond_the_horizon_is_the_last(void **state) {
    struct fixture f = dozing(200);
    uint64_t pause = 0, longest = 0;

    /* A writer whose id is 199 stays open for a minute. */
    while (f.now < START + 62 * SEC) {
        if (bell_next(&f.bell, f.now) == BELL_RENEW) {
            bell_renewed(&f.bell, f.now);
            look(&f, 199, 7, false);
        } else {
            look(&f, 199, 7, false);
        }
        assert_int_equal(f.bell.state, BELL_DOZING);
        pause = bell_next_usec(&f.bell) - f.now;
        assert_in_range(pause, 1, SEC);
        longest = pause > longest ? pause : longest;
        wait_for_next(&f);
    }
    assert_int_equal(longest, SEC);
    if (bell_next(&f.bell, f.now) == BELL_RENEW)
        bell_renewed(&f.bell, f.now);
    look(&f, 200, 7, false);
    assert_int_equal(f.bell.state, BELL_ASLEEP);
}

static void test_the_first_pause_of_a_doze_is_short(void **state) {
    struct fixture f = dozing(200);
    static const uint64_t pauses[] = {10 * MS, 20 * MS, 40 * MS, 80 * MS, 160 * MS, 320 * MS, 640 * MS, SEC, SEC};

    for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
        look(&f, 150, 7, false);
        assert_int_equal(bell_next_usec(&f.bell) - f.now, pauses[i]);
        wait_for_next(&f);
    }
}

static void test_a_look_that_fails_is_not_the_last(void **state) {
    struct fixture f = dozing(200);

    bell_looks(&f.bell);
    bell_look_failed(&f.bell, f.now);
    assert_int_equal(f.bell.state, BELL_DOZING);
    assert_in_range(bell_next_usec(&f.bell) - f.now, 1, SEC);
    wait_for_next(&f);
    look(&f, 200, 7, false);
    assert_int_equal(f.bell.state, BELL_ASLEEP);
}

static void test_sleeps_until_the_backstop(void **state) {
    struct fixture f = asleep();
    uint64_t said = f.now;

    wait_for_next(&f);
    assert_int_equal(f.now - said, BELL_BACKSTOP_USEC);
    assert_int_equal(bell_next(&f.bell, f.now), BELL_RENEW);
    assert_true(bell_is_down(&f.bell)); /* what the renewal says */
    bell_renewed(&f.bell, f.now);
    look(&f, 300, 7, false); /* the backstop looks too */
    wait_for_next(&f);
    assert_int_equal(f.now - said, 2 * (uint64_t) BELL_BACKSTOP_USEC);
    assert_true(BELL_ASLEEP_SEC * (uint64_t) SEC > 2 * (uint64_t) BELL_BACKSTOP_USEC);
}

static void test_a_ring_is_answered_at_once_and_it_sleeps_on(void **state) {
    struct fixture f = asleep();

    f.now += 5 * SEC;
    assert_int_equal(bell_next(&f.bell, f.now), BELL_WAIT);
    bell_rang(&f.bell);
    look(&f, 300, 8, true);
    assert_int_equal(f.bell.state, BELL_ASLEEP);
    assert_int_equal(bell_next(&f.bell, f.now), BELL_WAIT);
}

static void test_a_ring_during_a_look_asks_for_another(void **state) {
    struct fixture f = asleep();

    bell_rang(&f.bell);
    assert_int_equal(bell_next(&f.bell, f.now), BELL_LOOK);
    bell_looks(&f.bell);
    bell_rang(&f.bell);
    bell_looked(&f.bell, f.now, 300, 8, true, false);
    assert_int_equal(bell_next(&f.bell, f.now), BELL_LOOK);
}

static void test_gets_up_when_rung_often(void **state) {
    struct fixture f = asleep();
    int rings = 0;

    while (f.bell.state == BELL_ASLEEP) {
        assert_true(++rings < 1000);
        f.now += 5 * MS;
        bell_rang(&f.bell);
        look(&f, 300 + (uint64_t) rings, 7 + rings, true);
    }
    assert_int_equal(bell_next(&f.bell, f.now), BELL_SAY_AWAKE);
    assert_false(bell_is_down(&f.bell));
    bell_said(&f.bell, f.now);
    assert_int_equal(f.bell.state, BELL_AWAKE);
    /* Those who rang before it said so may not have been seen. */
    assert_int_equal(bell_next(&f.bell, f.now), BELL_LOOK);
}

static void test_seldom_rung_it_stays_asleep(void **state) {
    struct fixture f = asleep();

    for (int i = 0; i < 1000; i++) {
        f.now += 100 * MS;
        if (bell_next(&f.bell, f.now) == BELL_RENEW)
            bell_renewed(&f.bell, f.now);
        bell_rang(&f.bell);
        look(&f, 300 + (uint64_t) i, 8 + i, true);
        assert_int_equal(f.bell.state, BELL_ASLEEP);
    }
}

static void test_where_the_bell_fails_it_looks_every_second(void **state) {
    struct fixture f = dozing(200);

    bell_looks(&f.bell);
    bell_looked(&f.bell, f.now, 200, 7, false, true);
    assert_int_equal(f.bell.state, BELL_ASLEEP);
    for (int i = 0; i < 100; i++) {
        if (bell_next(&f.bell, f.now) == BELL_RENEW)
            bell_renewed(&f.bell, f.now); /* and looks */
        else
            wait_for_next(&f);
        if (bell_next(&f.bell, f.now) == BELL_RENEW)
            continue;
        assert_int_equal(bell_next(&f.bell, f.now), BELL_LOOK);
        bell_looks(&f.bell);
        bell_looked(&f.bell, f.now, 400, 7, false, true);
        assert_in_range(bell_next_usec(&f.bell) - f.now, 0, SEC);
    }
}

static void test_a_new_connection_starts_over(void **state) {
    struct fixture f = asleep();

    f.now += 3 * SEC;
    bell_start(&f.bell, f.now);
    assert_false(bell_is_down(&f.bell));
    look(&f, 500, 7, false); /* at once: who rang meanwhile was not heard */
    while (bell_next(&f.bell, f.now) != BELL_SAY_ASLEEP) {
        wait_for_next(&f);
        look(&f, 500, 7, false);
    }
    bell_said(&f.bell, f.now);
    assert_int_equal(bell_next(&f.bell, f.now), BELL_TAKE_HORIZON); /* the old horizon is worth nothing */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lingers_two_seconds_before_it_lies_down),
        cmocka_unit_test(test_stays_up_while_the_sequence_moves),
        cmocka_unit_test(test_looks_every_few_milliseconds_while_awake),
        cmocka_unit_test(test_says_so_before_it_takes_the_horizon),
        cmocka_unit_test(test_only_a_look_from_beyond_the_horizon_is_the_last),
        cmocka_unit_test(test_the_first_pause_of_a_doze_is_short),
        cmocka_unit_test(test_a_look_that_fails_is_not_the_last),
        cmocka_unit_test(test_sleeps_until_the_backstop),
        cmocka_unit_test(test_a_ring_is_answered_at_once_and_it_sleeps_on),
        cmocka_unit_test(test_a_ring_during_a_look_asks_for_another),
        cmocka_unit_test(test_gets_up_when_rung_often),
        cmocka_unit_test(test_seldom_rung_it_stays_asleep),
        cmocka_unit_test(test_where_the_bell_fails_it_looks_every_second),
        cmocka_unit_test(test_a_new_connection_starts_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
