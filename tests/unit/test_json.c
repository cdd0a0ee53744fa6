/* link: -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "failing_malloc.h"
#include "io/json.h"

static struct json *parse(const char *text) {
    const char *reason;
    struct json *doc = NULL;

    if (json_parse(text, strlen(text), &doc, &reason) < 0)
        fail_msg("%s: %s", text, reason);
    return doc;
}

static void test_reads(void **state) {
    _cleanup_(json_freep) struct json *doc = parse(
        " {\"messages\":[{\"id\":\"wamid.X\",\"n\":-12},{\"id\":\"ä\\n\\u20ac\\ud83d\\udea8\"}],\"ok\":true,\"no\":false,"
        "\"null\":null,\"text\":\"17\",\"real\":1.50e+3,\"big\":9223372036854775808,\"a\":1,\"a\":2,\"\":\"empty\"} ");
    const struct json_value *root = json_root(doc);
    int64_t number = 4711;

    assert_int_equal(json_type(root), JSON_OBJECT);
    assert_int_equal(json_count(root), 10);
    assert_string_equal(json_text_at(root, "messages.0.id"), "wamid.X");
    assert_string_equal(json_text_at(root, "messages.1.id"), "ä\n€🚨");
    assert_string_equal(json_text_at(json_at(root, "messages"), "0.id"), "wamid.X");
    assert_string_equal(json_text_at(root, "real"), "1.50e+3"); /* as it was written */
    assert_ptr_equal(json_at(root, ""), root);
    assert_true(json_is_true_at(root, "ok"));
    assert_false(json_is_true_at(root, "no"));
    assert_false(json_is_true_at(root, "text"));
    assert_false(json_is_true_at(root, "missing"));
    assert_int_equal(json_type(json_at(root, "null")), JSON_NULL);
    assert_null(json_text_at(root, "null"));
    assert_null(json_text_at(root, "messages"));
    assert_null(json_key(root));
    assert_string_equal(json_key(json_at(root, "messages")), "messages");
    assert_null(json_key(json_at(root, "messages.0")));

    assert_int_equal(json_int_at(root, "messages.0.n", &number), 0);
    assert_int_equal(number, -12);
    assert_int_equal(json_int_at(root, "text", &number), 0);
    assert_int_equal(number, 17);
    assert_int_equal(json_int_at(root, "a", &number), 0);
    assert_int_equal(number, 1); /* the first of two */
    assert_int_equal(json_int_at(root, "missing", &number), -ENOENT);
    assert_int_equal(json_int_at(root, "null", &number), -EINVAL);
    assert_int_equal(json_int_at(root, "real", &number), -EINVAL);
    assert_int_equal(json_int_at(root, "big", &number), -EINVAL);
    assert_int_equal(number, 1);
}

static void test_paths_that_lead_nowhere(void **state) {
    static const char *const paths[] = {"b", "a.2", "a.-1", "a.+1", "a.x", "a.0x", "a.0.0", "c", "a..0", "a.99999999999999999999"};
    _cleanup_(json_freep) struct json *doc = parse("{\"a\":[\"x\",\"y\"]}");

    for (size_t i = 0; i < ELEMENTSOF(paths); i++)
        if (json_at(json_root(doc), paths[i]))
            fail_msg("\"%s\" leads somewhere", paths[i]);
    assert_null(json_at(NULL, "a"));
    assert_null(json_text_at(NULL, ""));
    assert_null(json_first(NULL));
    assert_null(json_next(NULL));
    assert_int_equal(json_count(NULL), 0);
}

static void test_children_in_order(void **state) {
    _cleanup_(json_freep) struct json *doc = parse("[0,1,[],{},4]");
    const struct json_value *v;
    size_t n = 0;

    for (v = json_first(json_root(doc)); v; v = json_next(v), n++)
        if (json_type(v) == JSON_NUMBER)
            assert_int_equal(json_text(v)[0], '0' + (int) n);
    assert_int_equal(n, 5);
    assert_int_equal(json_count(json_root(doc)), 5);
}

static void test_refuses(void **state) {
    static const char *const texts[] = {
        "",      " ",        "{",          "}",         "[1,",        "[1,]",       "{\"a\"",   "{\"a\":}", "{a:1}",
        "'a'",   "{\"a\":1,}", "nul",      "truefalse", "1 2",        "{} {}",      "[] x",     "01",       "+1",
        "-",     "1.",       ".5",         "NaN",       "Infinity",   "\"abc",      "\"a\nb\"", "\"\\x\"",  "\"\\u12\"",
        "\"\\ud800\\u\"",    "/* c */ 1",  "<html>",    "\xef\xbb\xbf{}x", "\"\xff\"", "\"\xed\xa0\x80\"", "\"\xc0\x80\"",
        "[\"a\":1]", "{1:2}", "{\"a\",1}", "[1}", "{\"a\":1]", "\"tab\there\"",
    };

    for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
        const char *reason = NULL;
        struct json *doc = NULL;

        if (json_parse(texts[i], strlen(texts[i]), &doc, &reason) != -EBADMSG)
            fail_msg("accepted: %s", texts[i]);
        assert_null(doc);
        assert_non_null(reason);
    }
}

/* A bare NUL, inside a string and after the document. */
static void test_refuses_nul(void **state) {
    const char *reason;
    struct json *doc;

    assert_int_equal(json_parse("\"a\0b\"", 5, &doc, &reason), -EBADMSG);
    assert_int_equal(json_parse("{}\0", 3, &doc, &reason), -EBADMSG);
}

/* Whatever an escape brings in, the database can take the text. */
static void test_escapes_are_mended(void **state) {
    static const struct {
        const char *text;
        const char *expected;
    } rows[] = {
        {"\"a\\u0000b\"", "a\xef\xbf\xbd" "b"},
        {"\"\\u0000\"", "\xef\xbf\xbd"},
        {"\"\\ud83d\\udea8\"", "🚨"},
        {"\"\\/\\b\\f\\r\\t\\\"\\\\\"", "/\b\f\r\t\"\\"},
    };
    static const char *const halves[] = {"\"x\\ud800y\"", "\"x\\udc00y\"", "\"\\ud800\\ud800\"", "\"\\udfff\\udbff\"",
                                         "\"\\ud83d\\u0041\"", "\"\\ud83d\"", "{\"\\udc00\":1}", "{\"\\u0000\":1}"};

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        _cleanup_(json_freep) struct json *doc = parse(rows[i].text);

        assert_string_equal(json_text(json_root(doc)), rows[i].expected);
    }
    for (size_t i = 0; i < ELEMENTSOF(halves); i++) {
        _cleanup_(json_freep) struct json *doc = parse(halves[i]);
        const struct json_value *root = json_root(doc);
        const char *text = json_type(root) == JSON_OBJECT ? json_key(json_first(root)) : json_text(root);

        assert_true(*text && text_is_utf8(text, strlen(text)));
    }
}

static char *repeat(const char *piece, size_t times, const char *end) {
    struct buf b = BUF_MAX(64 * 1024 * 1024);

    for (size_t i = 0; i < times; i++)
        (void) buf_append_string(&b, piece);
    (void) buf_append_string(&b, end);
    return buf_take(&b);
}

static void test_bounds(void **state) {
    static const struct {
        const char *piece;
        size_t times;
        const char *end;
        int r;
    } rows[] = {
        {"[", 400000, "", -EBADMSG},
        {"{\"a\":", 400000, "", -EBADMSG},
        {"[", JSON_DEPTH_MAX + 1, "", -EBADMSG},
        {"[1],", 1, "x", -EBADMSG},
        {"          ", JSON_BYTES_MAX / 10 + 1, "1", -EBADMSG},
        {"          ", JSON_BYTES_MAX / 10 - 1, "1", 0},
    };
    _cleanup_(freep) char *many = repeat("0,", JSON_VALUES_MAX - 2, "0"); /* with the array: as many as there may be */
    _cleanup_(buf_done) struct buf text = BUF_MAX(1024 * 1024);
    struct json *doc = NULL;
    const char *reason;

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        _cleanup_(freep) char *hostile = repeat(rows[i].piece, rows[i].times, rows[i].end);

        doc = NULL;
        assert_int_equal(json_parse(hostile, strlen(hostile), &doc, &reason), rows[i].r);
        doc = json_free(doc);
    }

    (void) buf_printf(&text, "[%s]", many);
    assert_int_equal(json_parse(buf_string(&text), text.size, &doc, &reason), 0);
    assert_int_equal(json_count(json_root(doc)), JSON_VALUES_MAX - 1);
    doc = json_free(doc);
    buf_clear(&text);
    (void) buf_printf(&text, "[%s,0]", many);
    assert_int_equal(json_parse(buf_string(&text), text.size, &doc, &reason), -EBADMSG);
    assert_string_equal(reason, "too many values");
}

static void test_deepest_and_longest(void **state) {
    _cleanup_(freep) char *open = repeat("[", JSON_DEPTH_MAX, "");
    _cleanup_(freep) char *shut = repeat("]", JSON_DEPTH_MAX, "");
    _cleanup_(freep) char *letters = repeat("0123456789", JSON_BYTES_MAX / 10 - 1, "");
    _cleanup_(buf_done) struct buf text = BUF_MAX(JSON_BYTES_MAX);
    _cleanup_(json_freep) struct json *deep = NULL, *longest = NULL;

    (void) buf_printf(&text, "%s%s", open, shut);
    deep = parse(buf_string(&text));
    assert_int_equal(json_type(json_root(deep)), JSON_ARRAY);
    buf_clear(&text);
    (void) buf_printf(&text, "\"\\n%s\"", letters);
    longest = parse(buf_string(&text));
    assert_int_equal(strlen(json_text(json_root(longest))), 1 + strlen(letters));
}

/* An answer cut off anywhere is refused, and nothing behind its end is read (the sanitizer watches). */
static void test_truncated_everywhere(void **state) {
    static const char text[] = "{\"a\":[1,-2.5e3,true,false,null,\"x\\u00e4\\ud83d\\udea8y\\n\"],\"b\":{\"c\":\"ä🚨\"}}";

    for (size_t size = 0; size < sizeof(text) - 1; size++) {
        _cleanup_(freep) char *cut = malloc(size);
        struct json *doc = NULL;
        const char *reason;

        if (size > 0)
            memcpy(cut, text, size);
        assert_int_equal(json_parse(cut, size, &doc, &reason), -EBADMSG);
        assert_null(doc);
    }
}

/* Every byte replaced by every other: no crash, and what is accepted is fit for the database. */
static void test_mutated_everywhere(void **state) {
    static const char text[] = "{\"a\":[1,\"\\u00e4\\ud83d\\udea8\"],\"b\":{\"c\":\"\xc3\xa4\"}}";

    for (size_t at = 0; at < sizeof(text) - 1; at++) {
        for (int byte = 0; byte < 256; byte++) {
            _cleanup_(freep) char *mutant = malloc(sizeof(text) - 1);
            _cleanup_(json_freep) struct json *doc = NULL;
            const char *reason, *found;

            memcpy(mutant, text, sizeof(text) - 1);
            mutant[at] = (char) byte;
            if (json_parse(mutant, sizeof(text) - 1, &doc, &reason) < 0)
                continue;
            found = json_text_at(json_root(doc), "a.1");
            assert_true(!found || text_is_utf8(found, strlen(found)));
        }
    }
}

static void test_no_memory(void **state) {
    /* Decoded strings make yajl allocate, and a large one has a chunk of its own. */
    _cleanup_(freep) char *large = repeat("\\n0123456789", 5000, "");
    _cleanup_(buf_done) struct buf text = BUF_MAX(256 * 1024);
    long n = 0;
    int r;

    (void) buf_printf(&text, "{\"a\":[[[1,{\"b\":\"\\u0000\"}]]],\"\\udc00\":\"%s\",\"c\":[", large);
    for (int i = 0; i < 300; i++)
        (void) buf_printf(&text, "%d,", i);
    (void) buf_append_string(&text, "0]}");

    do {
        struct json *doc = NULL;
        const char *reason;

        allocations_left = n++;
        r = json_parse(buf_string(&text), text.size, &doc, &reason);
        allocations_left = -1;
        assert_true(r == 0 || r == -ENOMEM);
        assert_true((r == 0) == (doc != NULL));
        doc = json_free(doc);
    } while (r < 0);
    assert_true(n > 15);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_paths_that_lead_nowhere),
        cmocka_unit_test(test_children_in_order),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_refuses_nul),
        cmocka_unit_test(test_escapes_are_mended),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_deepest_and_longest),
        cmocka_unit_test(test_truncated_everywhere),
        cmocka_unit_test(test_mutated_everywhere),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
