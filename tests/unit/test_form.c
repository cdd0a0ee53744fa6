#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/base64.h"
#include "io/form.h"

static int parse(const char *text, struct form **ret) {
    return form_parse(text, strlen(text), ret);
}

static void test_written_and_read(void **state) {
    static const char value[] = "a b+c&d=e%f\n€🙈*-._~";
    _cleanup_(buf_done) struct buf b = BUF_MAX(1024);
    _cleanup_(form_freep) struct form *form = NULL;

    assert_int_equal(form_append(&b, "name one", value), 0);
    assert_int_equal(form_append(&b, "empty", ""), 0);
    assert_string_equal(buf_string(&b), "name+one=a+b%2Bc%26d%3De%25f%0A%E2%82%AC%F0%9F%99%88*-._%7E&empty=");
    assert_int_equal(parse(buf_string(&b), &form), 0);
    assert_int_equal(form->count, 2);
    assert_string_equal(form_value(form, "name one"), value);
    assert_string_equal(form_value(form, "empty"), "");
    assert_null(form_value(form, "name"));
}

static void test_odd_forms(void **state) {
    _cleanup_(form_freep) struct form *form = NULL;

    assert_int_equal(parse("&&a&=b&a=2&", &form), 0);
    assert_int_equal(form->count, 3);
    assert_string_equal(form_value(form, "a"), "");
    assert_string_equal(form_value(form, ""), "b");
    form = form_free(form);
    assert_int_equal(parse("", &form), 0);
    assert_int_equal(form->count, 0);
}

static void test_bad_forms(void **state) {
    static const char *const bad[] = {"a=%", "a=%1", "a=%zz", "a=%00", "%00=a", "a=%ff", "a=%c3", "%c3%28=1", "a=\xff"};
    _cleanup_(buf_done) struct buf many = BUF_MAX(1024);
    struct form *form = NULL;

    for (size_t i = 0; i < ELEMENTSOF(bad); i++)
        assert_int_equal(parse(bad[i], &form), -EBADMSG);
    assert_int_equal(form_parse("a=b\0c", 5, &form), -EBADMSG);
    for (int i = 0; i <= FORM_FIELDS_MAX; i++)
        (void) buf_append_string(&many, "a=1&");
    assert_int_equal(parse(buf_string(&many), &form), -EBADMSG);
    assert_null(form);
}

/* RFC 4648, section 10. */
static void test_base64(void **state) {
    static const char *const pairs[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}, {"\xff\xfe\xfb", "//77"}};

    for (size_t i = 0; i < ELEMENTSOF(pairs); i++) {
        _cleanup_(buf_done) struct buf b = BUF_MAX(64);

        assert_int_equal(base64_append(&b, pairs[i][0], strlen(pairs[i][0])), 0);
        assert_string_equal(buf_string(&b), pairs[i][1]);
        assert_int_equal(b.size + 1, BASE64_BYTES(strlen(pairs[i][0])));
    }
    _cleanup_(buf_done) struct buf small = BUF_MAX(7);
    assert_int_equal(base64_append(&small, "foobar", 6), -EMSGSIZE);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_written_and_read), cmocka_unit_test(test_odd_forms),
                                       cmocka_unit_test(test_bad_forms), cmocka_unit_test(test_base64)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
