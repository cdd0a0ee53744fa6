#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "web/notice.h"

/* What was read, a line a notice. */
static struct buf seen;
static int verdict;

static int on_notice(const struct notice *n, void *userdata) {
    assert_ptr_equal(userdata, &seen);
    (void) buf_printf(&seen, "%s|%s|%s|%s|%s|%lld\n", n->what, n->account ? n->account : "-", n->subject, n->detail,
                      n->language ? n->language : "-", (long long) n->at_sec);
    return verdict;
}

typedef int (*read_fn)(const struct json_value *, notice_fn, void *);

static int read_text(read_fn reader, const char *text, size_t size) {
    _cleanup_(json_freep) struct json *doc = NULL;
    const char *reason;

    buf_clear(&seen);
    int r = json_parse(text, size, &doc, &reason);
    return r < 0 ? r : reader(json_root(doc), on_notice, &seen);
}

/* A webhook of one change, whose value has the account and this. */
_printf_(2, 3) static const char *cloud(const char *field, const char *format, ...) {
    _cleanup_(buf_done) struct buf text = BUF_MAX(64 * 1024);
    va_list args;

    (void) buf_printf(&text, "{\"entry\": [{\"id\": \"1\", \"time\": 1700000009, \"changes\": [{\"field\": \"%s\", \"value\": "
                             "{\"metadata\": {\"phone_number_id\": \"77\"}, ", field);
    va_start(args, format);
    (void) buf_vprintf(&text, format, args);
    va_end(args);
    (void) buf_append_string(&text, "}}]}]}");
    assert_int_equal(read_text(notice_read_cloud, buf_string(&text), text.size), 0);
    return buf_string(&seen);
}

#define PREFERENCE(value) "{\"wa_id\": \"8801711000001\", \"category\": \"marketing_messages\", \"value\": " value ", \"timestamp\": 1700000000}"

static void test_preferences(void **state) {
    assert_string_equal(cloud("user_preferences", "\"user_preferences\": [" PREFERENCE("\"stop\"") ", " PREFERENCE("\"resume\"") "]"),
                        "preference|77|8801711000001|stop|-|1700000000\npreference|77|8801711000001|resume|-|1700000000\n");
    assert_string_equal(cloud("messages", "\"user_preferences\": [" PREFERENCE("\"stop\"") "]"), "");
}

static void test_odd_preferences_are_passed_over(void **state) {
    static const char *const odd[] = {"1", "null", "[]", "{}", PREFERENCE("[]"), PREFERENCE("\"\""), PREFERENCE("{\"a\": 1}"),
                                      "{\"wa_id\": \"1\", \"value\": \"stop\"}", "{\"category\": \"marketing_messages\", \"value\": \"stop\"}",
                                      "{\"wa_id\": \"1\", \"category\": \"service_messages\", \"value\": \"stop\"}",
                                      "{\"wa_id\": {}, \"category\": \"marketing_messages\", \"value\": \"stop\"}"};

    for (size_t i = 0; i < ELEMENTSOF(odd); i++)
        assert_string_equal(cloud("user_preferences", "\"user_preferences\": [%s, " PREFERENCE("\"stop\"") "]", odd[i]),
                            "preference|77|8801711000001|stop|-|1700000000\n");
    assert_string_equal(cloud("user_preferences", "\"user_preferences\": [{\"wa_id\": \"%0600d\", \"category\": \"marketing_messages\", "
                                                  "\"value\": \"stop\"}]", 1), "");
}

static const char *typed(const char *body) {
    return cloud("messages", "\"messages\": [{\"from\": \"8801711000001\", \"timestamp\": \"1700000001\", \"type\": \"text\", \"text\": "
                             "{\"body\": \"%s\"}}]", body);
}

static void test_short_texts(void **state) {
    _cleanup_(buf_done) struct buf text = BUF_MAX(256);

    assert_string_equal(typed(" \\r\\n\\tStop it \\n"), "text|77|8801711000001|Stop it|-|1700000001\n");
    assert_string_equal(typed(""), "");
    assert_string_equal(typed(" \\n "), "");
    for (int i = 0; i < NOTICE_DETAIL_BYTES; i++)
        (void) buf_append_char(&text, 'x');
    assert_non_null(strstr(typed(buf_string(&text)), buf_string(&text)));
    (void) buf_append_char(&text, ' ');
    assert_non_null(strstr(typed(buf_string(&text)), "xxx|"));
    (void) buf_append_char(&text, 'x');
    assert_string_equal(typed(buf_string(&text)), "");
}

static void test_messages_that_are_no_text_of_a_person(void **state) {
    static const char *const none[] = {
        "1", "{}", "{\"from\": \"1\", \"type\": \"text\"}", "{\"from\": \"1\", \"type\": \"text\", \"text\": {\"body\": {}}}",
        "{\"from\": \"1\", \"type\": \"image\", \"text\": {\"body\": \"STOP\"}}", "{\"from\": \"1\", \"text\": {\"body\": \"STOP\"}}",
        "{\"type\": \"text\", \"text\": {\"body\": \"STOP\"}}", "{\"from\": [], \"type\": \"text\", \"text\": {\"body\": \"STOP\"}}",
        "{\"from\": \"1\", \"group_id\": \"g\", \"type\": \"text\", \"text\": {\"body\": \"STOP\"}}"};

    for (size_t i = 0; i < ELEMENTSOF(none); i++)
        assert_string_equal(cloud("messages", "\"messages\": [%s]", none[i]), "");
    assert_string_equal(cloud("messages", "\"messages\": {\"from\": \"1\"}"), "");
}

static void test_templates(void **state) {
    static const char *const none[] = {"\"event\": \"PAUSED\"", "\"event\": \"PAUSED\", \"message_template_name\": \"a\"",
                                       "\"message_template_name\": \"a\", \"message_template_language\": \"en\"",
                                       "\"event\": [], \"message_template_name\": \"a\", \"message_template_language\": \"en\"",
                                       "\"event\": \"PAUSED\", \"message_template_name\": \"\", \"message_template_language\": \"en\""};

    assert_string_equal(cloud("message_template_status_update", "\"event\": \"PAUSED\", \"message_template_id\": 5, "
                              "\"message_template_name\": \"shipped\", \"message_template_language\": \"en-US\""),
                        "template|-|shipped|PAUSED|en-US|1700000009\n");
    for (size_t i = 0; i < ELEMENTSOF(none); i++)
        assert_string_equal(cloud("message_template_status_update", "%s", none[i]), "");
}

static void test_shapes_that_are_no_webhook(void **state) {
    static const char *const refused[] = {"[]", "1", "null", "\"x\"", "{}", "{\"entry\": {}}"};
    static const char *const empty[] = {
        "{\"entry\": []}", "{\"entry\": [1, {\"changes\": 1}, {\"changes\": [1, {}, {\"field\": \"messages\"}, {\"value\": {}}]}]}",
        "{\"entry\": [{\"changes\": [{\"field\": \"user_preferences\", \"value\": {\"user_preferences\": [" PREFERENCE("\"stop\"") "]}}]}]}"};

    for (size_t i = 0; i < ELEMENTSOF(refused); i++) {
        assert_int_equal(read_text(notice_read_cloud, refused[i], strlen(refused[i])), -EBADMSG);
        assert_int_equal(read_text(notice_read_wppconnect, refused[i], strlen(refused[i])), -EBADMSG);
    }
    for (size_t i = 0; i < ELEMENTSOF(empty); i++) {
        assert_int_equal(read_text(notice_read_cloud, empty[i], strlen(empty[i])), 0);
        assert_int_equal(seen.size, 0);
    }
}

static void test_the_reader_stops_where_it_is_told_to(void **state) {
    static const char two[] = "{\"entry\": [{\"changes\": [{\"field\": \"user_preferences\", \"value\": {\"metadata\": {\"phone_number_id\": "
                              "\"7\"}, \"user_preferences\": [" PREFERENCE("\"stop\"") ", " PREFERENCE("\"stop\"") "]}}]}]}";

    verdict = -ENOMEM;
    assert_int_equal(read_text(notice_read_cloud, two, strlen(two)), -ENOMEM);
    verdict = 0;
    assert_string_equal(buf_string(&seen), "preference|7|8801711000001|stop|-|1700000000\n");
}

#define ONMESSAGE(from, more) "{\"event\": \"onmessage\", \"session\": \"s\", \"from\": " from ", \"t\": 1700000002" more "}"
#define CHAT ", \"type\": \"chat\", \"body\": \" stop \""

static void test_wppconnect(void **state) {
    static const char *const none[] = {
        ONMESSAGE("\"8801711000001@c.us\"", ", \"type\": \"image\", \"body\": \"stop\""), ONMESSAGE("\"8801711000001@c.us\"", ""),
        ONMESSAGE("\"8801711000001@c.us\"", ", \"type\": \"chat\", \"body\": {}"), ONMESSAGE("\"8801711000001@c.us\"", CHAT ", \"fromMe\": true"),
        ONMESSAGE("\"8801711000001@c.us\"", CHAT ", \"isGroupMsg\": true"), ONMESSAGE("\"120363000000000001@g.us\"", CHAT),
        ONMESSAGE("\"8801711000001@lid\"", CHAT), ONMESSAGE("\"8801711000001@c.us.org\"", CHAT), ONMESSAGE("\"@c.us\"", CHAT),
        ONMESSAGE("\"88017110000010000000000000000@c.us\"", CHAT), ONMESSAGE("8801711000001", CHAT), ONMESSAGE("null", CHAT),
        "{\"event\": \"onselfmessage\", \"session\": \"s\", \"from\": \"8801711000001@c.us\"" CHAT "}",
        "{\"event\": \"onmessage\", \"from\": \"8801711000001@c.us\"" CHAT "}"};

    assert_int_equal(read_text(notice_read_wppconnect, ONMESSAGE("\"8801711000001@c.us\"", CHAT ", \"fromMe\": false"),
                               strlen(ONMESSAGE("\"8801711000001@c.us\"", CHAT ", \"fromMe\": false"))), 0);
    assert_string_equal(buf_string(&seen), "text|s|8801711000001|stop|-|1700000002\n");
    for (size_t i = 0; i < ELEMENTSOF(none); i++) {
        assert_int_equal(read_text(notice_read_wppconnect, none[i], strlen(none[i])), 0);
        assert_string_equal(buf_string(&seen), "");
    }
}

/* {"dataType": "message", "sessionId": "s", "data": {"message": {"from", "timestamp", …}}} */
#define WEBJS(from, more) "{\"dataType\": \"message\", \"sessionId\": \"s\", \"data\": {\"message\": {\"from\": " from \
                          ", \"timestamp\": 1700000002" more "}}}"
#define WAHA(from, more) "{\"event\": \"message\", \"session\": \"s\", \"payload\": {\"from\": " from ", \"timestamp\": 1700000002" more "}}"
#define EVOLUTION(jid, mine, message) "{\"event\": \"messages.upsert\", \"instance\": \"s\", \"data\": {\"key\": {\"remoteJid\": " jid \
                                      ", \"fromMe\": " mine "}, \"message\": " message ", \"messageTimestamp\": 1700000002}}"
#define BODY ", \"body\": \" stop \""
#define SAID "{\"conversation\": \" stop \"}"

static void test_other_gateways_on_whatsapp_web(void **state) {
    static const char *const heard = "text|s|8801711000001|stop|-|1700000002\n";
    static const struct {
        read_fn read;
        const char *text;
        bool is_heard;
    } cases[] = {
        {notice_read_webjs, WEBJS("\"8801711000001@c.us\"", CHAT ", \"fromMe\": false"), true},
        {notice_read_webjs, WEBJS("\"8801711000001@c.us\"", CHAT ", \"fromMe\": true"), false},
        {notice_read_webjs, WEBJS("\"120363000000000001@g.us\"", CHAT ", \"author\": \"8801711000001@c.us\""), false},
        {notice_read_webjs, WEBJS("\"8801711000001@lid\"", CHAT), false},
        {notice_read_webjs, WEBJS("\"8801711000001@c.us\"", ", \"type\": \"image\"" BODY), false},
        {notice_read_webjs, WEBJS("\"8801711000001@c.us\"", BODY), false},
        {notice_read_webjs, "{\"dataType\": \"message_create\", \"sessionId\": \"s\", \"data\": {\"message\": {\"from\": "
                            "\"8801711000001@c.us\"" CHAT "}}}", false},
        {notice_read_webjs, "{\"dataType\": \"message\", \"data\": {\"message\": {\"from\": \"8801711000001@c.us\"" CHAT "}}}", false},
        {notice_read_waha, WAHA("\"8801711000001@c.us\"", BODY ", \"fromMe\": false, \"hasMedia\": false"), true},
        {notice_read_waha, WAHA("\"8801711000001@c.us\"", BODY ", \"fromMe\": true"), false},
        {notice_read_waha, WAHA("\"8801711000001@c.us\"", BODY ", \"hasMedia\": true"), false},
        {notice_read_waha, WAHA("\"120363000000000001@g.us\"", BODY), false},
        {notice_read_waha, WAHA("\"8801711000001@c.us\"", ""), false},
        {notice_read_waha, "{\"event\": \"message.any\", \"session\": \"s\", \"payload\": {\"from\": \"8801711000001@c.us\"" BODY "}}", false},
        {notice_read_evolution, EVOLUTION("\"8801711000001@s.whatsapp.net\"", "false", SAID), true},
        {notice_read_evolution, EVOLUTION("\"8801711000001@s.whatsapp.net\"", "false", "{\"extendedTextMessage\": {\"text\": \"stop\"}}"), true},
        {notice_read_evolution, EVOLUTION("\"8801711000001@s.whatsapp.net\"", "true", SAID), false},
        {notice_read_evolution, EVOLUTION("\"8801711000001@c.us\"", "false", SAID), false},
        {notice_read_evolution, EVOLUTION("\"120363000000000001@g.us\"", "false", SAID), false},
        {notice_read_evolution, EVOLUTION("\"8801711000001@s.whatsapp.net\"", "false", "{\"imageMessage\": {\"caption\": \"stop\"}}"), false},
        {notice_read_evolution, EVOLUTION("\"8801711000001@s.whatsapp.net\"", "false", "null"), false},
    };
    static const char *const refused[] = {"[]", "1", "null", "\"x\"", "{}"};

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        assert_int_equal(read_text(cases[i].read, cases[i].text, strlen(cases[i].text)), 0);
        assert_string_equal(buf_string(&seen), cases[i].is_heard ? heard : "");
        for (size_t k = 0; k < ELEMENTSOF(refused); k++)
            assert_int_equal(read_text(cases[i].read, refused[k], strlen(refused[k])), -EBADMSG);
    }
}

static int setup(void **state) {
    seen = BUF_MAX(64 * 1024);
    return 0;
}

static int teardown(void **state) {
    buf_done(&seen);
    return 0;
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_preferences),
        cmocka_unit_test(test_odd_preferences_are_passed_over),
        cmocka_unit_test(test_short_texts),
        cmocka_unit_test(test_messages_that_are_no_text_of_a_person),
        cmocka_unit_test(test_templates),
        cmocka_unit_test(test_shapes_that_are_no_webhook),
        cmocka_unit_test(test_the_reader_stops_where_it_is_told_to),
        cmocka_unit_test(test_wppconnect),
        cmocka_unit_test(test_other_gateways_on_whatsapp_web),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
