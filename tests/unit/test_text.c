/* link: -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "failing_malloc.h"

#define FFFD "\xef\xbf\xbd"

struct row {
    const char *bytes;
    size_t size;
    const char *mended; /* what the database may be given */
    bool is_utf8;
};

#define ROW(bytes, mended, is_utf8) {(bytes), sizeof(bytes) - 1, (mended), (is_utf8)}

static const struct row rows[] = {
    ROW("", "", true),
    ROW("plain", "plain", true),
    ROW("\xc3\xa4\xe2\x82\xac\xf0\x9f\x9a\xa8", "ä€🚨", true),
    ROW("\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf", true), /* U+10FFFF */
    ROW("\xed\x9f\xbf\xee\x80\x80", "\xed\x9f\xbf\xee\x80\x80", true),
    ROW("a\0b", "a" FFFD "b", false),
    ROW("\x80", FFFD, false),
    ROW("\xc0\x80", FFFD FFFD, false),                 /* overlong NUL */
    ROW("\xc1\xbf", FFFD FFFD, false),                 /* overlong */
    ROW("\xe0\x9f\xbf", FFFD FFFD FFFD, false),        /* overlong */
    ROW("\xf0\x8f\xbf\xbf", FFFD FFFD FFFD FFFD, false),
    ROW("\xed\xa0\x80", FFFD FFFD FFFD, false),        /* a surrogate */
    ROW("\xf4\x90\x80\x80", FFFD FFFD FFFD FFFD, false), /* past U+10FFFF */
    ROW("\xf5\x80\x80\x80", FFFD FFFD FFFD FFFD, false),
    ROW("\xff\xfe", FFFD FFFD, false),
    ROW("x\xe2\x82", "x" FFFD FFFD, false),            /* cut off */
    ROW("\xe2\x82" "A", FFFD FFFD "A", false),
    ROW("\xc3", FFFD, false),
};

static void test_utf8(void **state) {
    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        _cleanup_(buf_done) struct buf b = BUF_MAX(256);
        /* Exactly as large as the bytes, so that reading on is found out. */
        _cleanup_(freep) char *copy = malloc(rows[i].size);

        if (rows[i].size > 0)
            memcpy(copy, rows[i].bytes, rows[i].size);
        assert_int_equal(text_is_utf8(copy, rows[i].size), rows[i].is_utf8);
        assert_int_equal(text_append_utf8(&b, copy, rows[i].size, 256), 0);
        assert_string_equal(buf_string(&b), rows[i].mended);
        assert_true(text_is_utf8(buf_string(&b), b.size));
    }
}

static void test_cut_at_a_character(void **state) {
    static const char text[] = "a\xc3\xa4\xf0\x9f\x9a\xa8\x80z"; /* 1 + 2 + 4 bytes, a bad one that becomes 3, 1 */
    static const size_t expected[] = {0, 1, 1, 3, 3, 3, 3, 7, 7, 7, 10, 11, 11};

    for (size_t max = 0; max < ELEMENTSOF(expected); max++) {
        _cleanup_(buf_done) struct buf b = BUF_MAX(64);

        assert_int_equal(text_append_utf8(&b, text, sizeof(text) - 1, max), 0);
        assert_int_equal(b.size, expected[max]);
        assert_true(text_is_utf8(buf_string(&b), b.size));
    }
}

static void test_printable(void **state) {
    static const struct {
        const char *text;
        size_t max;
        const char *shown;
    } cases[] = {
        {"plain ä🚨", 64, "plain ä🚨"},
        {"x\nWATCHDOG=trigger", 64, "x\\x0aWATCHDOG=trigger"},
        {"\x1b[31mred\x7f", 64, "\\x1b[31mred\\x7f"},
        {"a\xc2\x9b" "b\xc2\xa0", 64, "a\\xc2\\x9b" "b\xc2\xa0"}, /* C1 is control, U+00A0 is not */
        {"bad\xff\xc3", 64, "bad\\xff\\xc3"},
        {"abc\n", 6, "abc"}, /* an escape is not cut in two */
        {"abc\n", 7, "abc\\x0a"},
        {"aä", 2, "a"},
        {"\u202eabc\u2066\u2069\u2028", 64, "\\u202eabc\\u2066\\u2069\\u2028"}, /* they would turn what follows round */
        {"\u200e\u2027\u202f\u2065\u206a€", 64, "\u200e\u2027\u202f\u2065\u206a€"},
        {"", 0, ""},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_(buf_done) struct buf b = BUF_MAX(128);

        assert_int_equal(text_append_printable(&b, cases[i].text, cases[i].max), 0);
        assert_string_equal(buf_string(&b), cases[i].shown);
    }
}

static void test_header_safe(void **state) {
    assert_true(text_is_header_safe(""));
    assert_true(text_is_header_safe("Bearer abc ä"));
    for (char c = 1; c < 0x20; c++)
        assert_false(text_is_header_safe((char[]) {'a', c, '\0'}));
    assert_false(text_is_header_safe("token\r\n\r\nGET /smuggled"));
    assert_false(text_is_header_safe("\x7f"));
}

static void test_length(void **state) {
    assert_int_equal(text_length(""), 0);
    assert_int_equal(text_length("abc"), 3);
    assert_int_equal(text_length("ä€🚨"), 3);
}

static void test_no_memory(void **state) {
    for (long n = 0; n < 2; n++) {
        _cleanup_(buf_done) struct buf b = BUF_MAX(4096), c = BUF_MAX(4096);

        /* The second allocation is the growth past 64 bytes. */
        allocations_left = n;
        assert_int_equal(text_append_utf8(&b, "0123456789012345678901234567890123456789012345678901234567890123456789", 70, 70),
                         -ENOMEM);
        allocations_left = n;
        assert_int_equal(text_append_printable(&c, "012345678901234567890123456789012345678901234567890123456789\n\n\n", 99),
                         -ENOMEM);
    }
    allocations_left = -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8),        cmocka_unit_test(test_cut_at_a_character),
        cmocka_unit_test(test_printable),   cmocka_unit_test(test_header_safe),
        cmocka_unit_test(test_length),      cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
