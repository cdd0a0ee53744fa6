/* link: -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "failing_malloc.h"

static void test_appends(void **state) {
    _cleanup_(buf_done) struct buf b = BUF_MAX(64);

    assert_string_equal(buf_string(&b), "");
    assert_int_equal(buf_append(&b, "ab\0c", 4), 0);
    assert_int_equal(buf_append_char(&b, 'd'), 0);
    assert_int_equal(buf_append_string(&b, ""), 0);
    assert_int_equal(buf_printf(&b, "%d-%s", 42, "x"), 0);
    assert_int_equal(b.size, 9);
    assert_memory_equal(b.data, "ab\0cd42-x", 10); /* with the NUL */
    assert_int_equal(buf_error(&b), 0);
}

static void test_maximum_is_exact(void **state) {
    static const size_t maxima[] = {0, 1, 31, 32, 63, 64, 65, 1000, 4096};

    for (size_t i = 0; i < ELEMENTSOF(maxima); i++) {
        _cleanup_(buf_done) struct buf b = BUF_MAX(maxima[i]);

        for (size_t n = 0; n < maxima[i]; n++)
            assert_int_equal(buf_append_char(&b, 'x'), 0);
        assert_int_equal(buf_append_char(&b, 'y'), -EMSGSIZE);
        assert_int_equal(b.size, maxima[i]);
        assert_int_equal(strlen(buf_string(&b)), maxima[i]);
        assert_true(b.allocated <= maxima[i] + 1);
        assert_int_equal(buf_append(&b, "", 0), 0);
        assert_int_equal(buf_error(&b), -EMSGSIZE); /* sticks */
        assert_null(buf_take(&b));
    }
}

static void test_failed_append_changes_nothing(void **state) {
    _cleanup_(buf_done) struct buf b = BUF_MAX(4);

    assert_int_equal(buf_append_string(&b, "abc"), 0);
    assert_int_equal(buf_append_string(&b, "de"), -EMSGSIZE);
    assert_int_equal(buf_printf(&b, "%s", "de"), -EMSGSIZE);
    assert_int_equal(buf_append(&b, "x", SIZE_MAX), -EMSGSIZE);
    assert_string_equal(buf_string(&b), "abc");
    buf_clear(&b);
    assert_int_equal(buf_error(&b), 0);
    assert_string_equal(buf_string(&b), "");
    assert_int_equal(buf_printf(&b, "%s", "wxyz"), 0);
    assert_string_equal(buf_string(&b), "wxyz");
}

static void test_take(void **state) {
    struct buf b = BUF_MAX(8);
    char *text;

    text = buf_take(&b); /* of nothing: a string all the same */
    assert_string_equal(text, "");
    free(text);
    assert_int_equal(buf_append_string(&b, "abc"), 0);
    text = buf_take(&b);
    assert_string_equal(text, "abc");
    free(text);
    assert_null(b.data);
    assert_int_equal(b.max, 8);
    assert_int_equal(buf_append_string(&b, "12345678"), 0);
    buf_wipe(&b);
    assert_null(b.data);
    assert_int_equal(b.max, 8);
}

/* One run over every function that allocates. 0, or the first failure. */
static int exercise(void) {
    _cleanup_(buf_done) struct buf b = BUF_MAX(4096);
    char *text;

    (void) buf_append_string(&b, "some text");
    for (int i = 0; i < 200; i++)
        (void) buf_printf(&b, "%d,", i);
    if (buf_error(&b) < 0) {
        assert_true(b.size <= b.max);
        if (b.data)
            assert_int_equal(b.data[b.size], '\0');
        return buf_error(&b);
    }
    text = buf_take(&b);
    if (!text)
        return -ENOMEM;
    free(text);
    text = buf_take(&b);
    free(text);
    return text ? 0 : -ENOMEM;
}

static void test_no_memory(void **state) {
    long n = 0;
    int r;

    do {
        allocations_left = n++;
        r = exercise();
        assert_true(r == 0 || r == -ENOMEM);
    } while (r < 0);
    allocations_left = -1;
    assert_true(n > 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appends),
        cmocka_unit_test(test_maximum_is_exact),
        cmocka_unit_test(test_failed_append_changes_nothing),
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
