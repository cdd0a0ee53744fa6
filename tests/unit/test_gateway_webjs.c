/* wwebjs-api: the request, and one test for each row of what its answers mean. */
#include "session_fixture.h"

#define ID "true_8801712345678@c.us_3EB0"

static const struct session_case webjs = {
    .gateway = &gateway_webjs,
    .account = "{\"session\":\"al-er_ts\"}",
    .base_url = "http://127.0.0.1:3000",
    .send_url = "http://127.0.0.1:3000/client/sendMessage/al-er_ts",
    .header = "x-api-key",
    .credential = SECRET,
    .id = "3EB0",
};

static const struct answer_row rows[] = {
    {"accepted", 200, "{\"success\":true,\"message\":{\"id\":{\"fromMe\":true,\"_serialized\":\"" ID "\"},\"ack\":1}}", ACCEPTED, NULL},
    {"an id without what it was looked up by", 200,
     "{\"success\":true,\"message\":{\"id\":{\"fromMe\":true,\"remote\":\"8801712345678@c.us\",\"id\":\"3EB0\",\"$1\":\"" ID "\"}}}", ACCEPTED, NULL},
    {"an id under another name", 200, "{\"success\":true,\"message\":{\"id\":{\"fromMe\":true,\"$1\":\"" ID "\"}}}", ACCEPTED, NULL},
    {"the browser gave no message back", 200, "{\"success\":true}", ACCEPTED, ""},
    {"a message that is null", 200, "{\"success\":true,\"message\":null,\"warning\":\"x\"}", ACCEPTED, ""},
    {"a message without an id", 200, "{\"success\":true,\"message\":{\"ack\":1}}", ACCEPTED, ""},
    {"an id that is a text", 200, "{\"success\":true,\"message\":{\"id\":\"" ID "\"}}", ACCEPTED, NULL},
    {"an id that is a number", 200, "{\"success\":true,\"message\":{\"id\":{\"_serialized\":7}}}", ACCEPTED, "7"},
    {"an empty id", 200, "{\"success\":true,\"message\":{\"id\":{\"_serialized\":\"\"}}}", ACCEPTED, ""},
    {"NUL in the id", 200, "{\"success\":true,\"message\":{\"id\":{\"_serialized\":\"a\\u0000\"}}}", ACCEPTED, ""},
    {"a byte order mark", 200, "\xef\xbb\xbf{\"success\":true}", ACCEPTED, ""},
    {"a text in Latin-1", 200, "{\"success\":true,\"message\":{\"id\":{\"id\":\"3EB0\"},\"body\":\"caf\xe9\"}}", ACCEPTED, NULL},
    {"201", 201, "{\"success\":true}", ACCEPTED, ""},
    {"204", 204, "", IN_DOUBT, "it is empty"},
    {"no success", 200, "{\"success\":false,\"message\":{\"id\":{\"_serialized\":\"" ID "\"}}}", IN_DOUBT, "success true"},
    {"a success that is a text", 200, "{\"success\":\"true\",\"message\":{\"id\":{\"_serialized\":\"" ID "\"}}}", IN_DOUBT, NULL},
    {"it was sent, and could not be read back", 500, "{\"success\":false,\"error\":\"Cannot read properties of undefined (reading '_serialized')\"}",
     IN_DOUBT, "does not say whether"},
    {"it fails before it sends", 500, "{\"success\":false,\"error\":\"Cannot read properties of undefined (reading 'markedUnread')\"}",
     WAITS(SENDER, WAIT_BY_BACKOFF), "does not send now"},
    {"wrong type of content", 400, "{\"success\":false,\"error\":\"invalid contentType\"}", REJECTED, "invalid contentType"},
    {"bad key", 403, "{\"success\":false,\"error\":\"Invalid API key\"}", WAITS(SENDER, 60), "API_KEY"},
    {"not connected", 404, "{\"success\":false,\"error\":\"session_not_connected\"}", WAITS(SENDER, WAIT_BY_BACKOFF),
     "session_not_connected"},
    {"not found", 404, "{\"success\":false,\"error\":\"session_not_found\"}", WAITS(SENDER, WAIT_BY_BACKOFF), "start or pair"},
    {"no browser", 404, "{\"success\":false,\"error\":\"browser tab closed\"}", WAITS(SENDER, WAIT_BY_BACKOFF), "browser tab closed"},
    {"another 404", 404, "{}", WAITS(SENDER, 60), "not found"},
    {"bad name of a session", 422, "{\"success\":false,\"error\":\"Session should be alphanumerical or -\"}", WAITS(SENDER, 60),
     "account.session"},
    {"401", 401, "", WAITS(SENDER, 60), "credential"},
    {"it says too much", 500, "{\"success\":false,\"error\":\"" SECRET " for " NUMBER_DIGITS "@c.us: " BODY "\"}", IN_DOUBT, "…78"},
};

static void test_answer(void **state) {
    assert_row(&webjs, *state);
}

/* To a group the same answer can mean that there is no such chat. */
static void test_a_group_without_a_message(void **state) {
    struct sender sender = {.name = "main", .base_url = webjs.base_url, .secret = SECRET};
    struct message message = message_to(GROUP, BODY);
    struct reply reply = reply_of(200, "{\"success\":true}");
    struct outcome o;

    gateway_outcome(&gateway_webjs, &sender, &message, &reply, &o);
    assert_outcome(&o, IN_DOUBT, "not in the group");
}

static void test_requests(void **state) {
    struct message message = message_to(NUMBER, "Say \"hi\"\n€");

    assert_request(&webjs, &message, "{\"chatId\":\"" NUMBER_DIGITS "@c.us\",\"contentType\":\"string\",\"content\":\"Say \\\"hi\\\"\\n€\"}");
    message = message_to(GROUP, "x");
    assert_request(&webjs, &message, "{\"chatId\":\"" GROUP "\",\"contentType\":\"string\",\"content\":\"x\"}");
    message = message_to("+123456789012345", "x");
    assert_request(&webjs, &message, "{\"chatId\":\"123456789012345@c.us\",\"contentType\":\"string\",\"content\":\"x\"}");
    assert_messages_refused(&webjs);
}

/* A server without API_KEY: then there is no header. */
static void test_without_a_credential(void **state) {
    struct message message = message_to(NUMBER, BODY);
    struct request request;
    struct outcome o;

    assert_int_equal(request_for(&webjs, webjs.base_url, webjs.account, NULL, &message, &request, &o), 1);
    assert_null(header_of(&request, "x-api-key"));
    assert_int_equal(request.header_count, 1);
    request_done(&request);
}

static void test_check(void **state) {
    assert_checks(&webjs, "session");
    assert_incomplete(&webjs, webjs.base_url, "{\"session\":\"a b\"}", SECRET, "of letters, digits, _ and -");
    assert_incomplete(&webjs, webjs.base_url, "{\"session\":\"../x\"}", SECRET, "not a session's name");
}

static void test_hostile_replies(void **state) {
    static const char *const replies[] = {
        "[]", "null", "\"\"", "{\"success\":true,\"message\":\"x\"}", "{\"success\":true,\"message\":{\"id\":[]}}",
        "{\"success\":true,\"message\":{\"id\":{\"_serialized\":{}}}}", "{\"success\":[],\"error\":{}}",
        "{\"message\":\"" SECRET "\",\"error\":\"" NUMBER "\"}",
    };
    struct sender sender = {.name = "main", .base_url = webjs.base_url, .secret = SECRET};
    struct message message = message_to(NUMBER, BODY);

    survive_hostile_replies(&gateway_webjs, &sender, &message, replies, ELEMENTSOF(replies), 1);
}

int main(void) {
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(test_requests), cmocka_unit_test(test_a_group_without_a_message), cmocka_unit_test(test_without_a_credential), cmocka_unit_test(test_check),
        cmocka_unit_test(test_hostile_replies),
    };

    return run_rows(rows, ELEMENTSOF(rows), test_answer, others, ELEMENTSOF(others));
}
