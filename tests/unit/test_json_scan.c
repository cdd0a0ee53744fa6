/* Documents that are read piece by piece: the same events however they are cut, and nothing beyond the bounds. */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/json.h"

static const char *const paths[] = {"a", "list.*.id", "list.*", "list", "*.*.*", "", "a.b", "x*"};

struct heard {
    struct buf text;
    int stop_after; /* texts; -1: never */
};

/* "DEPTH:TEXT@PATHS;" */
static void note(struct heard *h, const struct json_scan *s, const char *text) {
    (void) buf_printf(&h->text, "%zu:%s@", json_scan_depth(s), text);
    for (size_t i = 0; i < ELEMENTSOF(paths); i++)
        if (json_scan_is_at(s, 0, paths[i]))
            (void) buf_printf(&h->text, "%zu", i);
    (void) buf_append_char(&h->text, ';');
}

static int on_text(const struct json_scan *s, const char *text, void *userdata) {
    struct heard *h = userdata;

    note(h, s, text);
    return h->stop_after-- == 0 ? -EXFULL : 0;
}

static int on_end(const struct json_scan *s, void *userdata) {
    note(userdata, s, "END");
    return 0;
}

static const struct json_scan_handler handler = {.on_text = on_text, .on_end = on_end};

/* Reads the text in pieces of that size; what was heard, and the result. */
static int scan(const char *text, size_t size, size_t piece, struct heard *h) {
    _cleanup_(json_scan_freep) struct json_scan *s = json_scan_new(&handler, h);
    int r = 0;

    assert_non_null(s);
    for (size_t at = 0; at < size && r >= 0; at += piece) {
        _cleanup_(freep) char *exact = malloc(piece);
        size_t n = size - at < piece ? size - at : piece;

        assert_non_null(exact);
        memcpy(exact, text + at, n);
        r = json_scan_feed(s, exact, n);
    }
    return r < 0 ? r : json_scan_finish(s);
}

static void test_events_in_pieces(void **state) {
    static const char text[] = "{\"a\":1.50,\"list\":[{\"id\":\"x\\u00fc\\ud83c\\udf19\",\"b\":true},\"t\",null,[false]],\"x*\":\"\\u0000\"}";
    static const char expected[] = "1:1.50@0;3:xü🌙@14;3:true@4;2:END@2;2:t@2;3:false@4;2:END@2;1:END@3;1:\xef\xbf\xbd@7;0:END@5;";

    for (size_t piece = 1; piece <= sizeof(text); piece++) {
        struct heard h = {.text = BUF_MAX(4096), .stop_after = -1};

        assert_int_equal(scan(text, sizeof(text) - 1, piece, &h), 0);
        assert_string_equal(buf_string(&h.text), expected);
        buf_done(&h.text);
    }
}

/* Steps from one place on; a key with a dot is one step, and an element of an array has no name. */
static int check_steps(const struct json_scan *s, const char *text, void *userdata) {
    (void) text;
    *(unsigned *) userdata += 1;
    assert_true(json_scan_steps_are(s, 0, 1, "*"));
    assert_false(json_scan_steps_are(s, 0, 1, "a"));
    assert_false(json_scan_steps_are(s, 0, 1, "a.b"));
    assert_true(json_scan_steps_are(s, 1, 3, "*.c"));
    assert_true(json_scan_is_at(s, 2, "c"));
    assert_true(json_scan_is_at(s, 3, ""));
    assert_false(json_scan_is_at(s, 0, "*.*"));
    assert_false(json_scan_is_at(s, 0, "*.*.*.*"));
    assert_false(json_scan_is_at(s, 0, "*.0.c"));
    assert_false(json_scan_steps_are(s, 0, 4, "*.*.c"));
    assert_false(json_scan_steps_are(s, 0, 0, "*"));
    assert_true(json_scan_steps_are(s, 0, 0, ""));
    return 0;
}

static int ignore_end(const struct json_scan *s, void *userdata) {
    (void) s;
    (void) userdata;
    return 0;
}

static void test_steps(void **state) {
    static const struct json_scan_handler steps = {.on_text = check_steps, .on_end = ignore_end};
    unsigned texts = 0;
    _cleanup_(json_scan_freep) struct json_scan *s = json_scan_new(&steps, &texts);

    assert_int_equal(json_scan_feed(s, "{\"a.b\":[{\"c\":1}]}", 17), 0);
    assert_int_equal(json_scan_finish(s), 0);
    assert_int_equal(texts, 1);
}

static void test_bad_documents(void **state) {
    static const char *const bad[] = {"", "{", "[1", "[1]]", "[1] x", "nul", "{\"a\"}", "\"a", "[\"\xff\"]", "<html>", "{\"a\":1,}"};

    for (size_t i = 0; i < ELEMENTSOF(bad); i++)
        for (size_t piece = 1; piece <= 3; piece++) {
            struct heard h = {.text = BUF_MAX(4096), .stop_after = -1};

            assert_int_equal(scan(bad[i], strlen(bad[i]), piece, &h), -EBADMSG);
            buf_done(&h.text);
        }
}

static void test_bounds(void **state) {
    static char deep[2 * (JSON_DEPTH_MAX + 1)], piece[64 * 1024];
    struct heard h = {.text = BUF_MAX(1024 * 1024), .stop_after = -1};
    char key[512];
    int r = 0;

    memset(deep, '[', JSON_DEPTH_MAX + 1);
    memset(deep + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    assert_int_equal(scan(deep, sizeof(deep), sizeof(deep), &h), -EBADMSG);
    assert_int_equal(scan(deep + 1, sizeof(deep) - 2, 7, &h), 0);

    /* One string that does not end. */
    _cleanup_(json_scan_freep) struct json_scan *s = json_scan_new(&handler, &h);
    memset(piece, 'x', sizeof(piece));
    assert_int_equal(json_scan_feed(s, "[\"", 2), 0);
    for (size_t i = 0; i < 100 && r >= 0; i++)
        r = json_scan_feed(s, piece, sizeof(piece));
    assert_int_equal(r, -EBADMSG);

    /* A long text is cut, a long key is none. */
    buf_clear(&h.text);
    (void) snprintf(key, sizeof(key), "{\"%0100d\":\"%0300d\"}", 1, 2);
    assert_int_equal(scan(key, strlen(key), 5, &h), 0);
    assert_non_null(strstr(buf_string(&h.text), "@;0:END"));
    buf_done(&h.text);
}

static void test_the_handler_ends_it(void **state) {
    struct heard h = {.text = BUF_MAX(4096), .stop_after = 1};
    _cleanup_(json_scan_freep) struct json_scan *s = json_scan_new(&handler, &h);

    assert_int_equal(json_scan_feed(s, "[1,2,3]", 7), -EXFULL);
    assert_string_equal(buf_string(&h.text), "1:1@;1:2@;");
    assert_int_equal(json_scan_feed(s, "[1,2,3]", 7), -EXFULL);
    assert_int_equal(json_scan_finish(s), -EXFULL);
    buf_done(&h.text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_in_pieces), cmocka_unit_test(test_steps),  cmocka_unit_test(test_bad_documents),
        cmocka_unit_test(test_bounds),           cmocka_unit_test(test_the_handler_ends_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
