/* What is a group in an answer, and what is passed over. The gateways' own forms: tests/system/test_groups.py.
 * link: -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup */
#include "gateway_fixture.h"

#include <errno.h>

#include "failing_malloc.h"
#include "gateway/groups.h"
#include "gateway/target.h"

#define G "120363021234567890@g.us"
#define H "120363041234567890@g.us"

static const struct groups_shape shape = {
    .items = "data.groups",
    .ids = {"id._serialized", "id"},
    .names = {"name", "meta.subject"},
    .left = "gone",
    .next = "next.after",
    .more = "next.is",
    .is_group = target_is_phone_group,
};

static struct buf found;

static int on_group(const struct group *g, void *userdata) {
    (void) userdata;
    return buf_printf(&found, "%s=%s;", g->id, g->name);
}

static int read_groups(const char *text, size_t piece, char next[static 64]) {
    _cleanup_(groups_reader_freep) struct groups_reader *r = groups_reader_new(&shape, on_group, NULL);
    const char *after = NULL;
    int result = 0;

    assert_non_null(r);
    buf_clear(&found);
    for (size_t at = 0, size = strlen(text); at < size && result >= 0; at += piece)
        result = groups_reader_feed(r, text + at, size - at < piece ? size - at : piece);
    if (result >= 0)
        result = groups_reader_finish(r, &after);
    (void) snprintf(next, 64, "%s", after ? after : "");
    return result;
}

static void assert_groups(const char *text, const char *expected, const char *expected_next) {
    char next[64];

    for (size_t piece = 1; piece < 40; piece += 6) {
        assert_int_equal(read_groups(text, piece, next), 0);
        assert_string_equal(buf_string(&found), expected);
        assert_string_equal(next, expected_next);
    }
}

#define IN(items) "{\"data\":{\"groups\":" items "}}"

static void test_groups(void **state) {
    assert_groups(IN("[]"), "", "");
    assert_groups(IN("{}"), "", "");
    assert_groups(IN("[{\"id\":\"" G "\",\"name\":\"A\"},{\"name\":\"B\",\"id\":{\"_serialized\":\"" H "\"}}]"), G "=A;" H "=B;", "");
    assert_groups(IN("{\"x.y\":{\"id\":\"" G "\"},\"z\":{\"id\":\"" H "\",\"meta\":{\"subject\":\"S\"}}}"), G "=;" H "=S;", "");
    assert_groups(IN("[{\"meta\":{\"subject\":\"S\"},\"id\":\"" G "\",\"name\":\" \"}]"), G "=S;", "");
    assert_groups(IN("[{\"id\":\"" G "\",\"name\":\"A\",\"last\":{\"id\":\"" H "\",\"name\":\"B\"}}]"), G "=A;", "");
    assert_groups("{\"groups\":[{\"id\":\"" H "\"}],\"data\":{\"x\":[{\"id\":\"" H "\"}],\"groups\":[{\"id\":\"" G "\"}]}}", G "=;", "");
}

static void test_passed_over(void **state) {
    assert_groups(IN("[null,5,\"" G "\",[\"" G "\"],{\"name\":\"A\"},{\"id\":\"8801712345678@c.us\"},{\"id\":7}]"), "", "");
    assert_groups(IN("[{\"id\":\"" G "\",\"gone\":true},{\"id\":\"" H "\",\"gone\":false}]"), H "=;", "");
    assert_groups(IN("[{\"id\":\"" G "," H "\"},{\"id\":\"" G "\\u0000\"}]"), "", "");
}

static void test_pages(void **state) {
    assert_groups("{\"data\":{\"groups\":[]},\"next\":{\"after\":\"abc\",\"is\":\"y\"}}", "", "abc");
    assert_groups("{\"next\":{\"after\":\"abc\"},\"data\":{\"groups\":[]}}", "", "");
    assert_groups("{\"next\":{\"is\":true},\"data\":{\"groups\":[]}}", "", "");
}

/* Cut at a character, and without control bytes. */
static void test_names(void **state) {
    char text[4096], name[GROUP_NAME_BYTES + 64], next[64];

    for (size_t i = 0; i < GROUP_NAME_BYTES / 3 + 5; i++)
        memcpy(name + 3 * i, "€", 4);
    (void) snprintf(text, sizeof(text), IN("[{\"id\":\"" G "\",\"name\":\"x%s\"}]"), name);
    assert_int_equal(read_groups(text, sizeof(text), next), 0);
    assert_true(text_is_utf8(buf_string(&found), found.size));
    assert_null(strstr(buf_string(&found), "\xef\xbf\xbd"));
    assert_int_equal(found.size, strlen(G "=x;") + (GROUP_NAME_BYTES - 1 - 1) / 3 * 3);
    assert_groups(IN("[{\"id\":\"" G "\",\"name\":\"a\\n\\u001b[1m\\ud800\"}]"), G "=a\\x0a\\x1b[1m?;", "");
}

static void test_no_groups(void **state) {
    static const char *const bad[] = {"", "{}", "[]", "{\"data\":{}}", "{\"data\":{\"groups\":null}}", IN("[") "]", "{\"data\":[]}"};
    char next[64];

    for (size_t i = 0; i < ELEMENTSOF(bad); i++)
        assert_int_equal(read_groups(bad[i], 3, next), -EBADMSG);
}

/* --- without memory --- */

static int keep_group(const struct group *g, void *userdata) {
    return buf_append_string(userdata, g->id);
}

static int try_read(void) {
    static const char text[] = "{\"data\":{\"groups\":[{\"id\":\"" G "\",\"name\":\"\\u00fc in two pieces\"}]}}";
    _cleanup_(buf_done) struct buf kept = BUF_MAX(4096);
    _cleanup_(groups_reader_freep) struct groups_reader *r = groups_reader_new(&shape, keep_group, &kept);
    const char *next;
    int result = r ? groups_reader_feed(r, text, 60) : -ENOMEM;

    if (result >= 0)
        result = groups_reader_feed(r, text + 60, sizeof(text) - 1 - 60);
    return result < 0 ? result : groups_reader_finish(r, &next);
}

static struct {
    const struct gateway *gateway;
    struct sender sender;
} given;

static int try_ask(void) {
    _cleanup_(request_done) struct request request;

    request_init(&request);
    return given.gateway->ask_groups(&given.sender, "after/this", &request);
}

static void test_no_memory(void **state) {
    _cleanup_(json_freep) struct json *cloud = parsed("{\"phone_number_id\":\"1\"}"), *session = parsed("{\"session\":\"s\"}");

    assert_true(fail_each_allocation(try_read, -ENOMEM) > 5);
    given.gateway = &gateway_cloud;
    given.sender = (struct sender) {.name = "s", .base_url = "", .account = json_root(cloud), .secret = SECRET};
    assert_true(fail_each_allocation(try_ask, -ENOMEM) > 2);
    given.gateway = &gateway_wppconnect;
    given.sender = (struct sender) {.name = "s", .base_url = "http://h:1", .account = json_root(session), .secret = SECRET};
    assert_true(fail_each_allocation(try_ask, -ENOMEM) > 2);
}

/* Only the gateways that answer with groups are asked for them. */
static void test_who_is_asked(void **state) {
    static const struct gateway *const asked[] = {&gateway_cloud, &gateway_evolution, &gateway_waha, &gateway_webjs, &gateway_wppconnect};
    static const struct gateway *const not_asked[] = {&gateway_smtp, &gateway_twilio, &gateway_webhook};

    for (size_t i = 0; i < ELEMENTSOF(asked); i++)
        assert_true(asked[i]->ask_groups && asked[i]->groups);
    for (size_t i = 0; i < ELEMENTSOF(not_asked); i++)
        assert_true(!not_asked[i]->ask_groups && !not_asked[i]->groups);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups), cmocka_unit_test(test_passed_over), cmocka_unit_test(test_pages),
        cmocka_unit_test(test_names),  cmocka_unit_test(test_no_groups),   cmocka_unit_test(test_who_is_asked),
        cmocka_unit_test(test_no_memory),
    };
    int failed;

    found = BUF_MAX(64 * 1024);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_done(&found);
    return failed;
}
