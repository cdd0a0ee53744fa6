#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "gateway/stanza.h"
#include "web/receipt.h"

/* What was read, a line a receipt. */
static struct buf seen;
static int verdict;

static int on_receipt(const struct receipt *r, void *userdata) {
    assert_ptr_equal(userdata, &seen);
    (void) buf_printf(&seen, "%s %s %s %s %lld.%lld %lld %s\n", r->gateway, r->account, r->message_id, r->status, (long long) r->id,
                      (long long) r->attempt_id, (long long) r->at_sec, r->error ? r->error : "-");
    return verdict;
}

typedef int (*read_fn)(const struct json_value *, receipt_fn, void *);

static int read_text(read_fn reader, const char *text, size_t size) {
    _cleanup_(json_freep) struct json *doc = NULL;
    const char *reason;

    buf_clear(&seen);
    int r = json_parse(text, size, &doc, &reason);
    return r < 0 ? r : reader(json_root(doc), on_receipt, &seen);
}

_printf_(1, 2) static const char *cloud(const char *format, ...) {
    _cleanup_(buf_done) struct buf text = BUF_MAX(64 * 1024);
    va_list args;

    (void) buf_append_string(&text, "{\"entry\": [{\"changes\": [{\"field\": \"messages\", \"value\": {\"metadata\": "
                                    "{\"phone_number_id\": \"77\"}, \"statuses\": [");
    va_start(args, format);
    (void) buf_vprintf(&text, format, args);
    va_end(args);
    (void) buf_append_string(&text, "]}}]}]}");
    assert_int_equal(read_text(receipt_read_cloud, buf_string(&text), text.size), 0);
    return buf_string(&seen);
}

static void test_cloud(void **state) {
    assert_string_equal(cloud("{\"id\": \"wamid.A\", \"status\": \"delivered\", \"timestamp\": \"1700000000\", "
                              "\"biz_opaque_callback_data\": \"12.345\"}, {\"id\": \"wamid.B\", \"status\": \"played\"}"),
                        "cloud 77 wamid.A delivered 12.345 1700000000 -\ncloud 77 wamid.B read 0.0 0 -\n");
    assert_string_equal(cloud("{\"id\": \"w\", \"status\": \"failed\", \"timestamp\": 5, \"errors\": [{\"code\": 131050}]}"),
                        "cloud 77 w opted out 0.0 5 the gateway reports a failure 131050\n");
    assert_string_equal(cloud("{\"id\": \"w\", \"status\": \"failed\", \"timestamp\": 5, \"errors\": [{\"code\": 131026, \"title\": "
                              "\"Undeliverable\", \"error_data\": {\"details\": \"not\\non WhatsApp: 8801712345678\"}}]}"),
                        "cloud 77 w failed 0.0 5 the gateway reports a failure 131026: Undeliverable: not on WhatsApp: …78\n");
    assert_string_equal(cloud("{\"id\": \"w\", \"status\": \"failed\", \"recipient_participant_id\": \"1\"}"), "");
}

static void test_echoes_of_others_are_none(void **state) {
    static const char *const echoes[] = {"12", "12.", ".5", "a.b", "12.5x", "0.5", "5.0", "-1.5", "99999999999999999999.1",
                                         "12.99999999999999999999", "12345678901234567890123456789.1", "1.2.3", ""};

    for (size_t i = 0; i < ELEMENTSOF(echoes); i++)
        assert_string_equal(cloud("{\"id\": \"w\", \"status\": \"sent\", \"biz_opaque_callback_data\": \"%s\"}", echoes[i]),
                            "cloud 77 w sent 0.0 0 -\n");
    assert_string_equal(cloud("{\"id\": \"w\", \"status\": \"sent\", \"biz_opaque_callback_data\": {\"a\": 1}}"),
                        "cloud 77 w sent 0.0 0 -\n");
}

static void test_odd_updates_are_passed_over(void **state) {
    static const char *const odd[] = {"1", "null", "\"x\"", "[]", "{}", "{\"id\": \"w\"}", "{\"status\": \"sent\"}",
                                      "{\"id\": 5, \"status\": \"sent\"}", "{\"id\": \"\", \"status\": \"sent\"}",
                                      "{\"id\": {}, \"status\": \"sent\"}", "{\"id\": \"w\", \"status\": \"deleted\"}",
                                      "{\"id\": \"w\", \"status\": 1}", "{\"id\": \"w\", \"status\": [\"sent\"]}"};

    for (size_t i = 0; i < ELEMENTSOF(odd); i++)
        assert_string_equal(cloud("%s, {\"id\": \"good\", \"status\": \"sent\"}", odd[i]), "cloud 77 good sent 0.0 0 -\n");
    assert_string_equal(cloud("{\"id\": \"%0600d\", \"status\": \"sent\"}", 1), "");
    assert_string_equal(cloud("{\"id\": \"w\", \"status\": \"sent\", \"timestamp\": \"-5\"}, {\"id\": \"w\", \"status\": \"sent\", "
                              "\"timestamp\": 99999999999999}, {\"id\": \"w\", \"status\": \"sent\", \"timestamp\": \"soon\"}"),
                        "cloud 77 w sent 0.0 0 -\ncloud 77 w sent 0.0 0 -\ncloud 77 w sent 0.0 0 -\n");
    assert_string_equal(cloud("{\"id\": \"w\", \"status\": \"failed\", \"errors\": 7}"),
                        "cloud 77 w failed 0.0 0 the gateway reports a failure\n");
}

#define TWILIO "AccountSid=AC1&MessageSid=SM1&MessageStatus="

static const char *twilio(const char *form_text, const char *echo) {
    _cleanup_(form_freep) struct form *form = NULL;

    buf_clear(&seen);
    assert_int_equal(form_parse(form_text, strlen(form_text), &form), 0);
    assert_int_equal(receipt_read_twilio(form, echo, on_receipt, &seen), 0);
    return buf_string(&seen);
}

static void test_twilio(void **state) {
    static const char *const passed_over[] = {
        "", "AccountSid=AC1", TWILIO, TWILIO "queued", TWILIO "accepted", TWILIO "scheduled", TWILIO "sending", TWILIO "receiving",
        TWILIO "received", TWILIO "partially_delivered", TWILIO "Sent", "MessageSid=SM1&MessageStatus=sent",
        "AccountSid=AC1&MessageStatus=sent", "AccountSid=AC1&MessageSid=&MessageStatus=sent",
    };

    assert_string_equal(twilio(TWILIO "sent&To=whatsapp%3A%2B1", "12.34"), "twilio AC1 SM1 sent 12.34 0 -\n");
    assert_string_equal(twilio(TWILIO "delivered", NULL), "twilio AC1 SM1 delivered 0.0 0 -\n");
    assert_string_equal(twilio(TWILIO "read", "12"), "twilio AC1 SM1 read 0.0 0 -\n");
    assert_string_equal(twilio(TWILIO "undelivered&ErrorCode=63003", NULL),
                        "twilio AC1 SM1 failed 0.0 0 the gateway reports a failure 63003: the recipient is not on WhatsApp\n");
    assert_string_equal(twilio(TWILIO "undelivered&ErrorCode=21610", NULL),
                        "twilio AC1 SM1 opted out 0.0 0 the gateway reports a failure 21610: the recipient has answered STOP, and wants no "
                        "more messages\n");
    assert_string_equal(twilio(TWILIO "failed&ErrorCode=64999", NULL), "twilio AC1 SM1 failed 0.0 0 the gateway reports a failure 64999\n");
    assert_string_equal(twilio(TWILIO "failed&ErrorCode=0", NULL), "twilio AC1 SM1 failed 0.0 0 the gateway reports a failure\n");
    assert_string_equal(twilio(TWILIO "canceled&ErrorCode=%0ax", NULL), "twilio AC1 SM1 failed 0.0 0 the gateway reports a failure\n");
    for (size_t i = 0; i < ELEMENTSOF(passed_over); i++)
        assert_string_equal(twilio(passed_over[i], "12.34"), "");
    _cleanup_(buf_done) struct buf lengthy = BUF_MAX(2048);
    (void) buf_printf(&lengthy, "AccountSid=%0200d&MessageSid=SM1&MessageStatus=sent", 1);
    assert_string_equal(twilio(buf_string(&lengthy), NULL), "");
    buf_clear(&lengthy);
    (void) buf_printf(&lengthy, "AccountSid=AC1&MessageSid=%0600d&MessageStatus=sent", 1);
    assert_string_equal(twilio(buf_string(&lengthy), NULL), "");
}

static void test_an_error_text_is_bounded(void **state) {
    _cleanup_(buf_done) struct buf title = BUF_MAX(8192);

    for (int i = 0; i < 1000; i++)
        (void) buf_append_string(&title, "\xe2\x82\xac");
    const char *line = cloud("{\"id\": \"w\", \"status\": \"failed\", \"errors\": [{\"title\": \"%s\"}]}", buf_string(&title));
    assert_true(strlen(line) < RECEIPT_ERROR_BYTES + 40);
}

static void test_shapes_that_are_no_webhook(void **state) {
    static const char *const refused[] = {"[]", "1", "null", "\"x\"", "{}", "{\"entry\": {}}", "{\"entry\": null}"};
    static const char *const empty[] = {
        "{\"entry\": []}",
        "{\"entry\": [1, [], {}, {\"changes\": 1}, {\"changes\": [1, {}, {\"field\": \"messages\"}]}]}",
        "{\"entry\": [{\"changes\": [{\"field\": \"messages\", \"value\": {\"statuses\": [{\"id\": \"w\", \"status\": \"sent\"}]}}]}]}",
        "{\"entry\": [{\"changes\": [{\"field\": \"account_update\", \"value\": {\"metadata\": {\"phone_number_id\": \"1\"}, "
        "\"statuses\": [{\"id\": \"w\", \"status\": \"sent\"}]}}]}]}",
        "{\"entry\": [{\"changes\": [{\"field\": \"messages\", \"value\": {\"metadata\": {\"phone_number_id\": \"1\"}, "
        "\"statuses\": {\"id\": \"w\", \"status\": \"sent\"}}}]}]}"};

    for (size_t i = 0; i < ELEMENTSOF(refused); i++) {
        assert_int_equal(read_text(receipt_read_cloud, refused[i], strlen(refused[i])), -EBADMSG);
        assert_int_equal(read_text(receipt_read_wppconnect, refused[i], strlen(refused[i])), -EBADMSG);
        assert_int_equal(read_text(receipt_read_evolution, refused[i], strlen(refused[i])), -EBADMSG);
        assert_int_equal(read_text(receipt_read_waha, refused[i], strlen(refused[i])), -EBADMSG);
        assert_int_equal(read_text(receipt_read_webjs, refused[i], strlen(refused[i])), -EBADMSG);
    }
    for (size_t i = 0; i < ELEMENTSOF(empty); i++) {
        assert_int_equal(read_text(receipt_read_cloud, empty[i], strlen(empty[i])), 0);
        assert_int_equal(seen.size, 0);
    }
}

/* Every beginning of a webhook, and one too deep: refused, without a step beyond what is there. */
static void test_truncated_and_deep(void **state) {
    static const char whole[] = "{\"entry\": [{\"changes\": [{\"field\": \"messages\", \"value\": {\"metadata\": {\"phone_number_id\": \"7\"}, "
                                "\"statuses\": [{\"id\": \"w\", \"status\": \"sent\", \"biz_opaque_callback_data\": \"1.2\"}]}}]}]}";
    char deep[JSON_DEPTH_MAX + 8];

    for (size_t size = 0; size < strlen(whole); size++) {
        _cleanup_(freep) char *part = malloc(size + 1);

        assert_non_null(part);
        memcpy(part, whole, size);
        assert_int_equal(read_text(receipt_read_cloud, part, size), -EBADMSG);
    }
    assert_int_equal(read_text(receipt_read_cloud, whole, strlen(whole)), 0);
    assert_string_equal(buf_string(&seen), "cloud 7 w sent 1.2 0 -\n");
    memset(deep, '[', sizeof(deep));
    assert_int_equal(read_text(receipt_read_cloud, deep, sizeof(deep)), -EBADMSG);
}

static void test_the_reader_stops_where_it_is_told_to(void **state) {
    static const char two[] = "{\"entry\": [{\"changes\": [{\"field\": \"messages\", \"value\": {\"metadata\": {\"phone_number_id\": \"7\"}, "
                              "\"statuses\": [{\"id\": \"a\", \"status\": \"sent\"}, {\"id\": \"b\", \"status\": \"sent\"}]}}]}]}";

    verdict = -ENOMEM;
    assert_int_equal(read_text(receipt_read_cloud, two, strlen(two)), -ENOMEM);
    verdict = 0;
    assert_string_equal(buf_string(&seen), "cloud 7 a sent 0.0 0 -\n");
}

static const char *wppconnect(const char *text) {
    assert_int_equal(read_text(receipt_read_wppconnect, text, strlen(text)), 0);
    return buf_string(&seen);
}

static void test_wppconnect(void **state) {
    static const char *const none[] = {
        "{\"event\": \"onmessage\", \"session\": \"s\", \"id\": \"x\", \"ack\": 1}",
        "{\"event\": \"onack\", \"id\": {\"_serialized\": \"m\"}, \"ack\": 1}",
        "{\"event\": \"onack\", \"session\": \"s\", \"ack\": 1}",
        "{\"event\": \"onack\", \"session\": \"s\", \"id\": {\"_serialized\": []}, \"ack\": 1}",
        "{\"event\": \"onack\", \"session\": \"s\", \"id\": {\"_serialized\": \"m\"}}",
        "{\"event\": \"onack\", \"session\": \"s\", \"id\": {\"_serialized\": \"m\"}, \"ack\": \"x\"}",
        "{\"event\": \"onack\", \"session\": \"s\", \"id\": {\"_serialized\": \"m\"}, \"ack\": 0}",
        "{\"event\": \"onack\", \"session\": \"s\", \"id\": {\"_serialized\": \"m\"}, \"ack\": 5}",
        "{\"event\": \"onack\", \"session\": \"s\", \"id\": {\"_serialized\": \"m\"}, \"ack\": -99}"};

    assert_string_equal(wppconnect("{\"event\": \"onack\", \"session\": \"s\", \"id\": {\"_serialized\": \"true_m\"}, \"ack\": 2}"),
                        "wppconnect s true_m delivered 0.0 0 -\n");
    assert_string_equal(wppconnect("{\"event\": \"onack\", \"session\": \"s\", \"id\": \"true_m\", \"ack\": 4}"),
                        "wppconnect s true_m read 0.0 0 -\n");
    assert_string_equal(wppconnect("{\"event\": \"onack\", \"session\": \"s\", \"id\": {\"_serialized\": \"m\"}, \"ack\": -1}"),
                        "wppconnect s m failed 0.0 0 the gateway reports a failure: ack -1 (failed)\n");
    /* Of a group, with another participant than the answer had; the chat under its LID; under another name. */
    assert_string_equal(wppconnect("{\"event\": \"onack\", \"session\": \"s\", \"ack\": 2, \"id\": {\"fromMe\": true, \"remote\": \"1@g.us\", \"id\": "
                                   "\"3EB0\", \"_serialized\": \"true_1@g.us_3EB0_55@lid\"}}"), "wppconnect s 3EB0 delivered 0.0 0 -\n");
    assert_string_equal(wppconnect("{\"event\": \"onack\", \"session\": \"s\", \"ack\": 2, \"id\": \"true_55@lid_3EB0\"}"),
                        "wppconnect s 3EB0 delivered 0.0 0 -\n");
    assert_string_equal(wppconnect("{\"event\": \"onack\", \"session\": \"s\", \"ack\": 2, \"id\": {\"$1\": \"true_55@lid_3EB0_1@c.us\"}}"),
                        "wppconnect s 3EB0 delivered 0.0 0 -\n");
    for (size_t i = 0; i < ELEMENTSOF(none); i++)
        assert_string_equal(wppconnect(none[i]), "");
}

/* Receipts of gateways on WhatsApp Web: of each text the line, or "" for none. */
struct ack_row {
    const char *text, *line;
};

static void assert_acks(read_fn reader, const struct ack_row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(read_text(reader, rows[i].text, strlen(rows[i].text)), 0);
        if (strcmp(buf_string(&seen), rows[i].line) != 0)
            fail_msg("not \"%s\" but \"%s\" of: %s", rows[i].line, buf_string(&seen), rows[i].text);
    }
}

static void test_webjs(void **state) {
#define ACK(id, ack) "{\"dataType\":\"message_ack\",\"sessionId\":\"s\",\"data\":{\"message\":{\"id\":" id "},\"ack\":" ack "}}"
    static const struct ack_row rows[] = {
        {ACK("{\"_serialized\":\"true_m\",\"fromMe\":true}", "1"), "webjs s true_m sent 0.0 0 -\n"},
        {ACK("{\"_serialized\":\"true_m\"}", "2"), "webjs s true_m delivered 0.0 0 -\n"},
        {ACK("{\"_serialized\":\"true_m\"}", "3"), "webjs s true_m read 0.0 0 -\n"},
        {ACK("{\"_serialized\":\"true_m\"}", "4"), "webjs s true_m read 0.0 0 -\n"},
        {ACK("{\"_serialized\":\"true_m\"}", "-1"), "webjs s true_m failed 0.0 0 the gateway reports a failure: ack -1 (failed)\n"},
        {ACK("{\"_serialized\":\"true_m\"}", "0"), ""},
        {ACK("{\"_serialized\":\"true_m\"}", "5"), ""},
        {ACK("{\"_serialized\":\"true_m\"}", "\"x\""), ""},
        {ACK("{\"_serialized\":\"true_m\"}", "1e99"), ""},
        {ACK("{\"_serialized\":\"\"}", "1"), ""},
        {ACK("{\"_serialized\":[]}", "1"), ""},
        {ACK("{\"fromMe\":true,\"remote\":\"1@c.us\",\"id\":\"3EB0\",\"$1\":\"x\"}", "1"), "webjs s 3EB0 sent 0.0 0 -\n"},
        {ACK("\"true_1@c.us_3EB0\"", "1"), "webjs s 3EB0 sent 0.0 0 -\n"},
        {"{\"dataType\":\"message_ack\",\"data\":{\"message\":{\"id\":{\"_serialized\":\"m\"}},\"ack\":1}}", ""},
        {"{\"dataType\":\"message_ack\",\"sessionId\":\"s\",\"data\":{\"message\":{\"id\":{\"_serialized\":\"m\"}}}}", ""},
        {"{\"dataType\":\"message_ack\",\"sessionId\":\"s\",\"data\":[]}", ""},
        {"{\"dataType\":\"message\",\"sessionId\":\"s\",\"data\":{\"message\":{\"id\":{\"_serialized\":\"m\"}},\"ack\":1}}", ""},
    };
#undef ACK

    assert_acks(receipt_read_webjs, rows, ELEMENTSOF(rows));
}

static void test_waha(void **state) {
#define ACK(event, more, ack) \
    "{\"event\":\"" event "\",\"session\":\"s\",\"engine\":\"WEBJS\",\"payload\":{\"id\":\"true_m\"," more "\"ack\":" ack "}}"
    static const struct ack_row rows[] = {
        {ACK("message.ack", "\"fromMe\":true,", "1"), "waha s true_m sent 0.0 0 -\n"},
        {ACK("message.ack", "", "2"), "waha s true_m delivered 0.0 0 -\n"},
        {ACK("message.ack", "", "3"), "waha s true_m read 0.0 0 -\n"},
        {ACK("message.ack", "", "4"), "waha s true_m read 0.0 0 -\n"},
        {ACK("message.ack", "", "-1"), "waha s true_m failed 0.0 0 the gateway reports a failure: ack -1 (failed)\n"},
        {ACK("message.ack", "", "0"), ""},
        {ACK("message.ack", "", "null"), ""},
        {ACK("message.ack", "\"fromMe\":false,", "3"), ""},
        {ACK("message.ack.group", "\"fromMe\":true,\"participant\":\"1@c.us\",", "3"), "waha s true_m read 0.0 0 -\n"},
        {ACK("message.ack.group", "\"participant\":\"1@c.us\",", "-1"), ""},
        {ACK("message", "", "1"), ""},
        {"{\"event\":\"message.ack\",\"session\":\"s\",\"payload\":{\"id\":[],\"ack\":1}}", ""},
        {"{\"event\":\"message.ack.group\",\"session\":\"s\",\"payload\":{\"id\":\"true_1@g.us_3EB0_9@c.us\",\"ack\":2}}",
         "waha s 3EB0 delivered 0.0 0 -\n"},
        {"{\"event\":\"message.ack\",\"session\":\"s\",\"payload\":{\"ack\":1}}", ""},
        {"{\"event\":\"message.ack\",\"session\":\"s\",\"payload\":[]}", ""},
        {"{\"event\":\"message.ack\",\"session\":\"s\"}", ""},
        {"{\"event\":\"message.ack\",\"payload\":{\"id\":\"true_m\",\"ack\":1}}", ""},
    };
#undef ACK

    assert_acks(receipt_read_waha, rows, ELEMENTSOF(rows));
}

static void test_evolution(void **state) {
#define UPDATE(event, status) \
    "{\"event\":\"" event "\",\"instance\":\"i\",\"data\":{\"keyId\":\"3EB0\",\"fromMe\":true,\"status\":" status "},\"apikey\":\"k\"}"
    static const struct ack_row rows[] = {
        {UPDATE("messages.update", "\"SERVER_ACK\""), "evolution i 3EB0 sent 0.0 0 -\n"},
        {UPDATE("messages.update", "\"DELIVERY_ACK\""), "evolution i 3EB0 delivered 0.0 0 -\n"},
        {UPDATE("messages.update", "\"READ\""), "evolution i 3EB0 read 0.0 0 -\n"},
        {UPDATE("messages.update", "\"PLAYED\""), "evolution i 3EB0 read 0.0 0 -\n"},
        {UPDATE("messages.update", "\"ERROR\""), "evolution i 3EB0 failed 0.0 0 the gateway reports a failure: ack -1 (failed)\n"},
        {UPDATE("messages.update", "\"PENDING\""), ""},
        {UPDATE("messages.update", "\"DELETED\""), ""},
        {UPDATE("messages.update", "\"read\""), ""},
        {UPDATE("messages.update", "3"), ""},
        {UPDATE("messages.update", "{}"), ""},
        {UPDATE("send.message", "\"READ\""), ""},
        {"{\"event\":\"messages.update\",\"instance\":\"i\",\"data\":{\"keyId\":\"3EB0\",\"fromMe\":false,\"status\":\"READ\"}}", ""},
        {"{\"event\":\"messages.update\",\"instance\":\"i\",\"data\":{\"keyId\":\"3EB0\",\"status\":\"READ\"}}",
         "evolution i 3EB0 read 0.0 0 -\n"},
        {"{\"event\":\"messages.update\",\"instance\":\"i\",\"data\":{\"keyId\":[],\"status\":\"READ\"}}", ""},
        {"{\"event\":\"messages.update\",\"instance\":\"i\",\"data\":{\"status\":\"READ\"}}", ""},
        {"{\"event\":\"messages.update\",\"instance\":\"i\",\"data\":[]}", ""},
        {"{\"event\":\"messages.update\",\"data\":{\"keyId\":\"3EB0\",\"status\":\"READ\"}}", ""},
    };
#undef UPDATE

    assert_acks(receipt_read_evolution, rows, ELEMENTSOF(rows));
}

/* Names and ids that are longer than any can be. */
static void test_acks_are_bounded(void **state) {
    static char id[STANZA_BYTES + 2], account[RECEIPT_ACCOUNT_BYTES + 2];

    char text[sizeof(id) + 2];
    const char *reason;
    _cleanup_(json_freep) struct json *long_id = NULL, *longest = NULL, *short_id = NULL;

    memset(id, 'i', sizeof(id) - 1);
    memset(account, 'a', sizeof(account) - 1);
    (void) snprintf(text, sizeof(text), "\"%s\"", id);
    assert_int_equal(json_parse(text, strlen(text), &long_id, &reason), 0);
    assert_int_equal(json_parse("\"m\"", 3, &short_id, &reason), 0);
    buf_clear(&seen);
    assert_int_equal(receipt_from_ack("x", "s", json_root(long_id), 1, on_receipt, &seen), 0);
    assert_int_equal(receipt_from_ack("x", account, json_root(short_id), 1, on_receipt, &seen), 0);
    assert_int_equal(receipt_from_ack("x", NULL, json_root(short_id), 1, on_receipt, &seen), 0);
    assert_int_equal(receipt_from_ack("x", "s", NULL, 1, on_receipt, &seen), 0);
    assert_int_equal(receipt_from_ack("x", "s", json_root(short_id), INT64_MIN, on_receipt, &seen), 0);
    assert_string_equal(buf_string(&seen), "");
    id[STANZA_BYTES - 1] = account[RECEIPT_ACCOUNT_BYTES] = '\0';
    (void) snprintf(text, sizeof(text), "\"%s\"", id);
    assert_int_equal(json_parse(text, strlen(text), &longest, &reason), 0);
    verdict = -ENOMEM;
    assert_int_equal(receipt_from_ack("x", account, json_root(longest), 1, on_receipt, &seen), -ENOMEM);
    verdict = 0;
    assert_int_not_equal(seen.size, 0);
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
        cmocka_unit_test(test_cloud), cmocka_unit_test(test_twilio),
        cmocka_unit_test(test_echoes_of_others_are_none),
        cmocka_unit_test(test_odd_updates_are_passed_over),
        cmocka_unit_test(test_an_error_text_is_bounded),
        cmocka_unit_test(test_shapes_that_are_no_webhook),
        cmocka_unit_test(test_truncated_and_deep),
        cmocka_unit_test(test_the_reader_stops_where_it_is_told_to),
        cmocka_unit_test(test_wppconnect),
        cmocka_unit_test(test_webjs),
        cmocka_unit_test(test_waha),
        cmocka_unit_test(test_evolution),
        cmocka_unit_test(test_acks_are_bounded),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
