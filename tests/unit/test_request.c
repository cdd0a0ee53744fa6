/* link: -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "failing_malloc.h"
#include "io/request.h"

static void test_headers(void **state) {
    _cleanup_(request_done) struct request r;

    request_init(&r);
    assert_string_equal(r.method, "POST");
    assert_int_equal(request_add_header(&r, "Authorization", "Bearer abc"), 0);
    assert_int_equal(request_add_header(&r, "X-Empty", ""), 0);
    assert_int_equal(r.header_count, 2);
    assert_string_equal(buf_string(&r.headers[0]), "Authorization: Bearer abc");
    assert_string_equal(buf_string(&r.headers[1]), "X-Empty: ");
}

static void test_no_second_request_inside(void **state) {
    static const char *const values[] = {"a\r\n\r\nGET /smuggled", "a\nX: y", "a\rb", "\x01", "a\x7f"};
    static const char *const names[] = {"", "A:", "A B", "A\r\nB", "Ä", "A\t"};
    _cleanup_(request_done) struct request r;

    request_init(&r);
    for (size_t i = 0; i < ELEMENTSOF(values); i++)
        assert_int_equal(request_add_header(&r, "A", values[i]), -EINVAL);
    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        assert_int_equal(request_add_header(&r, names[i], "value"), -EINVAL);
    assert_int_equal(r.header_count, 0);
}

static void test_bounds(void **state) {
    static char value[REQUEST_HEADER_BYTES_MAX];
    _cleanup_(request_done) struct request r;

    request_init(&r);
    memset(value, 'x', sizeof(value) - 1);
    assert_int_equal(request_add_header(&r, "A", value), -EMSGSIZE);
    value[REQUEST_HEADER_BYTES_MAX - 3] = '\0';
    for (int i = 0; i < REQUEST_HEADERS_MAX; i++)
        assert_int_equal(request_add_header(&r, "A", value), 0);
    assert_int_equal(request_add_header(&r, "A", "x"), -E2BIG);
    assert_int_equal(r.header_count, REQUEST_HEADERS_MAX);
    request_done(&r);
    assert_int_equal(r.header_count, 0);
}

static void test_no_memory(void **state) {
    _cleanup_(request_done) struct request r;

    request_init(&r);
    allocations_left = 0;
    assert_int_equal(request_add_header(&r, "A", "x"), -ENOMEM);
    assert_int_equal(r.header_count, 0);
    allocations_left = 1; /* a secret lies in one piece of memory only */
    assert_int_equal(request_add_header(&r, "Authorization", "0123456789012345678901234567890123456789012345678901234567"), 0);
    assert_int_equal(allocations_left, 0);
    allocations_left = -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_no_second_request_inside),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
