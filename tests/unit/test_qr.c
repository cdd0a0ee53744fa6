/* QR codes as a matrix; that they say what they should is compared with another program's in tests/system/test_pair_command.py. */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "io/qr.h"

static bool is_finder(const struct qr *qr, ptrdiff_t top, ptrdiff_t left) {
    static const char *const rows[] = {"#######", "#.....#", "#.###.#", "#.###.#", "#.###.#", "#.....#", "#######"};

    for (ptrdiff_t r = 0; r < 7; r++)
        for (ptrdiff_t c = 0; c < 7; c++)
            if (qr_is_dark(qr, top + r, left + c) != (rows[r][c] == '#'))
                return false;
    return true;
}

static void test_matrix(void **state) {
    static const struct {
        const char *text;
        size_t side;
    } codes[] = {{"2@a", 21}, {"2@abcdefghijklmnopqrstuvwxyz", 25}, {"a b\x7f", 21}};

    for (size_t i = 0; i < ELEMENTSOF(codes); i++) {
        _cleanup_(qr_freep) struct qr *qr = NULL;

        assert_int_equal(qr_new(codes[i].text, &qr), 0);
        assert_int_equal(qr->side, codes[i].side);
        assert_true(is_finder(qr, 0, 0));
        assert_true(is_finder(qr, 0, (ptrdiff_t) qr->side - 7));
        assert_true(is_finder(qr, (ptrdiff_t) qr->side - 7, 0));
        assert_false(is_finder(qr, (ptrdiff_t) qr->side - 7, (ptrdiff_t) qr->side - 7));
        for (ptrdiff_t at = -5; at < (ptrdiff_t) qr->side + 5; at++) {
            assert_false(qr_is_dark(qr, -1, at) || qr_is_dark(qr, at, -1));
            assert_false(qr_is_dark(qr, (ptrdiff_t) qr->side, at) || qr_is_dark(qr, at, (ptrdiff_t) qr->side));
        }
    }
}

static void test_bounds(void **state) {
    static char text[4000];
    struct qr *qr = NULL;

    assert_int_equal(qr_new("", &qr), -EINVAL);
    memset(text, 'x', sizeof(text) - 1);
    assert_int_equal(qr_new(text, &qr), -E2BIG);
    text[2953] = '\0'; /* what the largest one holds */
    assert_int_equal(qr_new(text, &qr), 0);
    assert_int_equal(qr->side, 177);
    qr_free(qr);
    assert_null(qr_free(NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_matrix), cmocka_unit_test(test_bounds)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
