/* link: -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "failing_malloc.h"
#include "io/json.h"

static void test_writes(void **state) {
    _cleanup_(buf_done) struct buf out = BUF_MAX(1024);
    _cleanup_(json_writer_freep) struct json_writer *w = json_writer_new(&out);

    json_write_object(w);
    json_write_member(w, "text", "a \"quoted\"\\ line\n\x01 ä");
    json_write_member(w, "none", NULL);
    json_write_key(w, "list");
    json_write_array(w);
    json_write_int(w, INT64_MIN);
    json_write_int(w, INT64_MAX);
    json_write_bool(w, true);
    json_write_bool(w, false);
    json_write_null(w);
    json_write_array_end(w);
    assert_int_equal(json_writer_finish(w), -EINVAL); /* not complete yet */
    json_write_object_end(w);
    assert_int_equal(json_writer_finish(w), 0);
    assert_string_equal(buf_string(&out),
                        "{\"text\":\"a \\\"quoted\\\"\\\\ line\\n\\u0001 ä\",\"none\":null,"
                        "\"list\":[-9223372036854775808,9223372036854775807,true,false,null]}");
}

static void test_bad_bytes_are_replaced(void **state) {
    _cleanup_(buf_done) struct buf out = BUF_MAX(1024);
    _cleanup_(json_writer_freep) struct json_writer *w = json_writer_new(&out);

    json_write_string(w, "a\xff\xed\xa0\x80z");
    assert_int_equal(json_writer_finish(w), 0);
    assert_string_equal(buf_string(&out), "\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\"");
}

typedef void (*misuse_fn)(struct json_writer *w);

static void key_where_a_value_belongs(struct json_writer *w) {
    json_write_object(w);
    json_write_member(w, "a", "b");
    json_write_int(w, 1);
    json_write_object_end(w);
}

static void two_documents(struct json_writer *w) {
    json_write_int(w, 1);
    json_write_int(w, 2);
}

static void end_without_beginning(struct json_writer *w) {
    json_write_array_end(w);
}

static void wrong_end(struct json_writer *w) {
    json_write_object(w);
    json_write_array_end(w);
}

static void key_without_value(struct json_writer *w) {
    json_write_object(w);
    json_write_key(w, "a");
    json_write_object_end(w);
}

static void too_deep(struct json_writer *w) {
    for (int i = 0; i < 1000; i++)
        json_write_array(w);
    for (int i = 0; i < 1000; i++)
        json_write_array_end(w);
}

static void nothing(struct json_writer *w) {
}

static void test_misuse_spoils_the_document(void **state) {
    static const misuse_fn cases[] = {key_where_a_value_belongs, two_documents, end_without_beginning, wrong_end,
                                      key_without_value, too_deep, nothing};

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_(buf_done) struct buf out = BUF_MAX(64 * 1024);
        _cleanup_(json_writer_freep) struct json_writer *w = json_writer_new(&out);

        cases[i](w);
        assert_int_equal(json_writer_finish(w), -EINVAL);
    }
}

static void test_full_buffer(void **state) {
    _cleanup_(buf_done) struct buf out = BUF_MAX(10);
    _cleanup_(json_writer_freep) struct json_writer *w = json_writer_new(&out);

    json_write_string(w, "0123456789");
    assert_int_equal(json_writer_finish(w), -EMSGSIZE);
    assert_int_equal(buf_error(&out), -EMSGSIZE);
}

static const char *shout(const char *text, void *userdata) {
    ++*(int *) userdata;
    return strcmp(text, "{{name}}") == 0 ? "MARIA \"M\"" : NULL;
}

static const char document[] =
    "{\"to\":\"{{name}}\",\"{{name}}\":[1.50,-0,1e5,true,false,null,\"x\",[],{}],\"u\":\"\\u00e4\\u0000\"}";

static void test_copies_a_value(void **state) {
    _cleanup_(buf_done) struct buf plain = BUF_MAX(1024), mapped = BUF_MAX(1024);
    _cleanup_(json_writer_freep) struct json_writer *w = json_writer_new(&plain), *v = json_writer_new(&mapped);
    _cleanup_(json_freep) struct json *doc = NULL;
    const char *reason;
    int count = 0;

    assert_int_equal(json_parse(document, strlen(document), &doc, &reason), 0);
    json_write_value(w, json_root(doc), NULL, NULL);
    assert_int_equal(json_writer_finish(w), 0);
    assert_string_equal(buf_string(&plain),
                        "{\"to\":\"{{name}}\",\"{{name}}\":[1.50,-0,1e5,true,false,null,\"x\",[],{}],\"u\":\"ä\xef\xbf\xbd\"}");

    json_write_value(v, json_root(doc), shout, &count);
    assert_int_equal(json_writer_finish(v), 0);
    assert_int_equal(count, 3); /* strings, not keys */
    assert_string_equal(buf_string(&mapped), "{\"to\":\"MARIA \\\"M\\\"\",\"{{name}}\":[1.50,-0,1e5,true,false,null,"
                                             "\"x\",[],{}],\"u\":\"ä\xef\xbf\xbd\"}");
}

static int write_all(void) {
    _cleanup_(buf_done) struct buf out = BUF_MAX(4096);
    _cleanup_(json_writer_freep) struct json_writer *w = json_writer_new(&out);
    int r;

    json_write_object(w);
    for (int i = 0; i < 50; i++)
        json_write_member(w, "key", i % 10 == 0 ? "mended \xff" : "value");
    json_write_object_end(w);
    r = json_writer_finish(w);
    assert_int_equal(buf_error(&out), r);
    return r;
}

static void test_no_memory(void **state) {
    long n = 0;
    int r;

    do {
        allocations_left = n++;
        r = write_all();
        allocations_left = -1;
        assert_true(r == 0 || r == -ENOMEM);
    } while (r < 0);
    assert_true(n > 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes),
        cmocka_unit_test(test_bad_bytes_are_replaced),
        cmocka_unit_test(test_misuse_spoils_the_document),
        cmocka_unit_test(test_full_buffer),
        cmocka_unit_test(test_copies_a_value),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
