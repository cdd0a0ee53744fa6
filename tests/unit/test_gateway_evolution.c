/* Evolution API: the request, and one test for each row of what its answers mean. */
#include "session_fixture.h"

#define FAILURE(status, message) "{\"status\":" status ",\"error\":\"Bad Request\",\"response\":{\"message\":" message "}}"

static const struct session_case evolution = {
    .gateway = &gateway_evolution,
    .account = "{\"instance\":\"my alerts\"}",
    .base_url = "http://127.0.0.1:8080",
    .send_url = "http://127.0.0.1:8080/message/sendText/my%20alerts",
    .header = "apikey",
    .credential = SECRET,
    .id = "3EB0",
};

static const struct answer_row rows[] = {
    {"accepted", 201, "{\"key\":{\"remoteJid\":\"8801712345678@s.whatsapp.net\",\"fromMe\":true,\"id\":\"3EB0\"},\"status\":\"PENDING\"}",
     ACCEPTED, NULL},
    {"no key", 201, "{\"status\":\"PENDING\"}", ACCEPTED, ""},
    {"a key without an id", 201, "{\"key\":{}}", ACCEPTED, ""},
    {"a number as id", 201, "{\"key\":{\"id\":7}}", ACCEPTED, "7"},
    {"an empty id", 201, "{\"key\":{\"id\":\"\"}}", ACCEPTED, ""},
    {"NUL in the id", 201, "{\"key\":{\"id\":\"a\\u0000\"}}", ACCEPTED, ""},
    {"200", 200, "{\"key\":{\"id\":\"3EB0\"}}", ACCEPTED, NULL},
    {"204", 204, "", IN_DOUBT, "it is empty"},
    {"an error that is called a success", 200, "{\"error\":true,\"message\":\"Oh\"}", IN_DOUBT, "Oh"},
    {"not on WhatsApp", 400,
     FAILURE("400", "[{\"jid\":\"8801712345678@s.whatsapp.net\",\"exists\":false,\"number\":\"8801712345678\"}]"), REJECTED,
     "the number is not on WhatsApp"},
    {"it exists", 400, FAILURE("400", "[{\"jid\":\"8801712345678@s.whatsapp.net\",\"exists\":true}]"), AGAIN, NULL},
    {"exists is a text", 400, FAILURE("400", "[{\"exists\":\"false\"}]"), AGAIN, NULL},
    {"of another form", 400, FAILURE("400", "[[\"requires property \\\"number\\\"\"]]"), REJECTED, "requires property \"number\""},
    {"connection closed", 400, FAILURE("400", "[\"Error: Connection Closed\"]"), WAITS(SENDER, WAIT_BY_BACKOFF), "Connection Closed"},
    {"connection closed, 500", 500, FAILURE("500", "\"Connection Closed\""), WAITS(SENDER, WAIT_BY_BACKOFF), "Connection Closed"},
    {"Evolution 1", 400, FAILURE("400", "[[\"instance requires property \\\"textMessage\\\"\"]]"), WAITS(SENDER, 60), "Evolution 1"},
    {"its database, after it had sent", 400, FAILURE("400", "[\"PrismaClientKnownRequestError: x\"]"), IN_DOUBT, "database"},
    {"WhatsApp's answer did not come", 400, FAILURE("400", "[\"Error: Timed Out\"]"), IN_DOUBT, "Timed Out"},
    {"an unknown group", 400, FAILURE("400", "[\"[object Object]\"]"), REJECTED, "not in this group"},
    {"something inside", 400, FAILURE("400", "[\"Error: x\"]"), AGAIN, "Error: x"},
    {"something inside, as a text", 400, FAILURE("400", "\"TypeError: x\""), AGAIN, "TypeError: x"},
    {"a bad key", 401, "{\"status\":401,\"error\":\"Unauthorized\",\"response\":{\"message\":\"Unauthorized\"}}", WAITS(SENDER, 60), "API key"},
    {"no such instance", 404, FAILURE("404", "[\"The \\\"my alerts\\\" instance does not exist\"]"), WAITS(SENDER, 60), "account.instance"},
    {"no such page", 404, FAILURE("404", "[\"Cannot POST /x\"]"), WAITS(SENDER, 60), "base_url"},
    {"exists in another answer", 500, FAILURE("500", "[{\"exists\":false}]"), IN_DOUBT, NULL},
    {"it says too much", 400, FAILURE("400", "[\"Error: " SECRET " to " NUMBER_DIGITS ": " BODY "\"]"), AGAIN, "…78"},
};

static void test_answer(void **state) {
    assert_row(&evolution, *state);
}

/* Numbers go out as they are written, also where the server would rather have others. */
static void test_requests(void **state) {
    static const char *const numbers[] = {"5521987654321", "5531987654321", "5215512345678", "5491112345678", "123456789012345"};
    struct message message = message_to(NUMBER, "Say \"hi\"\n€");
    char target[32], body[128];

    assert_request(&evolution, &message, "{\"number\":\"" NUMBER_DIGITS "\",\"text\":\"Say \\\"hi\\\"\\n€\"}");
    message = message_to(GROUP, "x");
    assert_request(&evolution, &message, "{\"number\":\"" GROUP "\",\"text\":\"x\"}");
    for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
        (void) snprintf(target, sizeof(target), "+%s", numbers[i]);
        (void) snprintf(body, sizeof(body), "{\"number\":\"%s\",\"text\":\"x\"}", numbers[i]);
        message = message_to(target, "x");
        assert_request(&evolution, &message, body);
    }
    assert_messages_refused(&evolution);
}

static void test_check(void **state) {
    assert_checks(&evolution, "instance");
    assert_incomplete(&evolution, evolution.base_url, evolution.account, NULL, "the instance's token");
    assert_incomplete(&evolution, evolution.base_url, "{\"session\":\"alerts\"}", SECRET, "{\"instance\": \"alerts\"}");
}

static void test_hostile_replies(void **state) {
    static const char *const replies[] = {
        "[]", "null", "\"\"", "{\"key\":[]}", "{\"key\":{\"id\":{}}}", "{\"key\":\"3EB0\"}", "{\"response\":{\"message\":[]}}",
        "{\"response\":{\"message\":[[]]}}", "{\"response\":{\"message\":[[[{}]]]}}", "{\"response\":{\"message\":[{\"exists\":[]}]}}",
        "{\"response\":{\"message\":[\"" SECRET "\",\"" NUMBER "\"]}}",
    };
    struct sender sender = {.name = "main", .base_url = evolution.base_url, .secret = SECRET};
    struct message message = message_to(NUMBER, BODY);

    survive_hostile_replies(&gateway_evolution, &sender, &message, replies, ELEMENTSOF(replies), 1);
}

int main(void) {
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(test_requests), cmocka_unit_test(test_check), cmocka_unit_test(test_hostile_replies),
    };

    return run_rows(rows, ELEMENTSOF(rows), test_answer, others, ELEMENTSOF(others));
}
