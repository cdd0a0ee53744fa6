/* WAHA: the request, and one test for each row of what its answers mean. */
#include "session_fixture.h"

#define ID "true_8801712345678@c.us_3EB0"
#define KEY "\"key\":{\"fromMe\":true,\"remoteJid\":\"8801712345678@s.whatsapp.net\",\"id\":\"3EB0\"}"

static const struct session_case waha = {
    .gateway = &gateway_waha,
    .account = "{\"session\":\"my session\"}",
    .base_url = "http://127.0.0.1:3000",
    .send_url = "http://127.0.0.1:3000/api/sendText",
    .header = "X-Api-Key",
    .credential = SECRET,
    .id = "3EB0",
};

static const struct answer_row rows[] = {
    {"accepted, id as a text", 201, "{\"id\":\"" ID "\",\"ack\":1}", ACCEPTED, NULL},
    {"accepted, id of whatsapp-web.js", 201, "{\"id\":{\"fromMe\":true,\"_serialized\":\"" ID "\"}}", ACCEPTED, NULL},
    {"accepted, key of Baileys", 201, "{" KEY ",\"status\":1}", ACCEPTED, NULL},
    {"accepted, key and an id that is null", 201, "{\"id\":null," KEY "}", ACCEPTED, NULL},
    {"of a group, with a participant", 201, "{\"id\":\"true_120363021234567890@g.us_3EB0_55000000000001@lid\"}", ACCEPTED, NULL},
    {"no id", 201, "{\"body\":\"x\"}", ACCEPTED, ""},
    {"a key without an id", 201, "{\"key\":{\"remoteJid\":\"8801712345678@s.whatsapp.net\"}}", ACCEPTED, ""},
    {"a key with a number as id", 201, "{\"key\":{\"remoteJid\":\"8801712345678@s.whatsapp.net\",\"id\":7}}", ACCEPTED, "7"},
    {"an id that is a number", 201, "{\"id\":7}", ACCEPTED, "7"},
    {"an id without what counts", 201, "{\"id\":{}}", ACCEPTED, ""},
    {"an empty id", 201, "{\"id\":\"\"}", ACCEPTED, ""},
    {"NUL in the id", 201, "{\"id\":\"a\\u0000\"}", ACCEPTED, ""},
    {"200", 200, "{\"id\":\"" ID "\"}", ACCEPTED, NULL},
    {"no body", 201, "", ACCEPTED, ""},
    {"204", 204, "", ACCEPTED, ""},
    {"cut off", 201, "{\"id\":\"" ID, ACCEPTED, ""},
    {"an error that is called a success", 200, "{\"statusCode\":500,\"message\":\"Oh\"}", IN_DOUBT, "an error: Oh"},
    {"plain text", 200, "Hello", IN_DOUBT, "not JSON, or cut off"},
    {"not valid", 400, "{\"statusCode\":400,\"message\":[\"chatId should not be empty\"],\"error\":\"Bad Request\"}", REJECTED,
     "chatId should not be empty"},
    {"bad key", 401, "{\"statusCode\":401,\"message\":\"Unauthorized\"}", WAITS(SENDER, 60), "WAHA_API_KEY"},
    {"no such session", 404, "{\"statusCode\":404,\"message\":\"We didn't find a session\",\"error\":\"Not Found\"}",
     WAITS(SENDER, WAIT_BY_BACKOFF), "We didn't find a session"},
    {"no such page", 404, "{\"statusCode\":404,\"message\":\"Cannot POST /x/api/sendText\",\"error\":\"Not Found\"}", WAITS(SENDER, 60),
     "base_url"},
    {"not working", 422,
     "{\"error\":\"Session status is not as expected. Try again later or restart the session\",\"session\":\"my session\",\"status\":"
     "\"SCAN_QR_CODE\",\"expected\":[\"WORKING\"]}", WAITS(SENDER, WAIT_BY_BACKOFF), "start or pair"},
    {"the edition with one session", 422,
     "{\"statusCode\":422,\"message\":\"WAHA Core support only 'default' session. You tried to access 'x' session\"}", WAITS(SENDER, 60),
     "account.session"},
    {"another 422", 422, "{\"statusCode\":422,\"message\":\"The feature is available only in Plus version\"}", REJECTED, "only in Plus"},
    {"an exception repeats the request", 500,
     "{\"statusCode\":500,\"exception\":{\"message\":\"cannot send to " NUMBER_DIGITS "@c.us\"},\"request\":{\"body\":{\"chatId\":\""
     NUMBER_DIGITS "@c.us\",\"text\":\"" BODY "\"},\"headers\":{\"x-api-key\":\"" SECRET "\"}}}", IN_DOUBT, "cannot send to …78@c.us"},
    /* Its own sentence counts, and not what it was told to send. */
    {"a message about an error 463", 500,
     "{\"statusCode\":500,\"exception\":{\"message\":\"t\"},\"request\":{\"body\":{\"text\":\"the server returned error 463\"}}}", IN_DOUBT, "t"},
    {"a message about a lost user", 500,
     "{\"statusCode\":500,\"exception\":{\"message\":\"t\"},\"request\":{\"body\":{\"text\":\"No LID for user\"}}}", IN_DOUBT, "t"},
};

static void test_answer(void **state) {
    assert_row(&waha, *state);
}

static void test_requests(void **state) {
    struct message message = message_to(NUMBER, "Say \"hi\"\n€");

    assert_request(&waha, &message, "{\"session\":\"my session\",\"chatId\":\"" NUMBER_DIGITS "@c.us\",\"text\":\"Say \\\"hi\\\"\\n€\"}");
    message = message_to(GROUP, "x");
    assert_request(&waha, &message, "{\"session\":\"my session\",\"chatId\":\"" GROUP "\",\"text\":\"x\"}");
    assert_messages_refused(&waha);
}

static void test_check(void **state) {
    assert_checks(&waha, "session");
    assert_incomplete(&waha, waha.base_url, waha.account, NULL, "WAHA_API_KEY");
}

/* The id of a group's message in Baileys' form, and one without a chat. */
static void test_keys(void **state) {
    static const struct {
        const char *body, *id;
    } cases[] = {
        {"{\"key\":{\"remoteJid\":\"" GROUP "\",\"id\":\"3EB0\"}}", "3EB0"},
        {"{\"key\":{\"id\":\"3EB0\"}}", "3EB0"},
        {"{\"key\":{\"remoteJid\":5,\"id\":\"3EB0\"}}", "3EB0"},
    };
    struct sender sender = {.name = "main", .base_url = waha.base_url, .secret = SECRET};
    struct message message = message_to(NUMBER, BODY);

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        struct reply reply = reply_of(201, cases[i].body);
        struct outcome o;

        gateway_outcome(&gateway_waha, &sender, &message, &reply, &o);
        assert_outcome(&o, ACCEPTED, NULL);
        assert_string_equal(o.message_id, cases[i].id);
    }
}

/* What hides the text in words must not hide from us what they say. */
static void test_a_message_in_the_words_of_an_error(void **state) {
    struct sender sender = {.name = "main", .base_url = waha.base_url, .secret = SECRET};
    struct message message = message_to(NUMBER, "the server returned error 500");
    struct reply reply = reply_of(500, "{\"exception\":{\"message\":\"server returned error 463\"}}");
    struct outcome o;

    gateway_outcome(&gateway_waha, &sender, &message, &reply, &o);
    assert_outcome(&o, WAITS(RECIPIENT, 21600), "[…]463");
}

static void test_hostile_replies(void **state) {
    static const char *const replies[] = {
        "[]", "null", "\"\"", "{\"id\":[]}", "{\"id\":{\"_serialized\":{}}}", "{\"key\":[]}", "{\"key\":{\"id\":[],\"remoteJid\":{}}}",
        "{\"message\":\"" SECRET "\",\"exception\":{\"message\":\"" NUMBER "\"}}",
    };
    static const char head[] = "{\"key\":{\"id\":\"x\",\"remoteJid\":\"";
    static char long_chat[70000];
    struct sender sender = {.name = "main", .base_url = waha.base_url, .secret = SECRET};
    struct message message = message_to(NUMBER, BODY);

    survive_hostile_replies(&gateway_waha, &sender, &message, replies, ELEMENTSOF(replies), 1);
    memset(long_chat, 'w', sizeof(long_chat));
    memcpy(long_chat, head, strlen(head));
    memcpy(long_chat + sizeof(long_chat) - 4, "\"}}", 4);
    assert_survives(&gateway_waha, &sender, &message, long_chat, sizeof(long_chat) - 1, 1);
}

int main(void) {
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(test_requests), cmocka_unit_test(test_check), cmocka_unit_test(test_keys),
        cmocka_unit_test(test_a_message_in_the_words_of_an_error),
        cmocka_unit_test(test_hostile_replies),
    };

    return run_rows(rows, ELEMENTSOF(rows), test_answer, others, ELEMENTSOF(others));
}
