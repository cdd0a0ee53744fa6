/* wppconnect-server: the request, and one test for each row of what its answers mean. */
#include "gateway_fixture.h"

#include <errno.h>

#define ACCOUNT "{\"session\":\"alerts\"}"
#define BASE "http://127.0.0.1:21465"
#define PAGE "<!DOCTYPE html>\n<html lang=\"en\"><body><pre>SyntaxError at /srv/x.js</pre></body></html>"

static const struct answer_row rows[] = {
    {"accepted", 201, "{\"status\":\"success\",\"response\":[{\"id\":\"true_8801712345678@c.us_3EB0\",\"ack\":1}],\"mapper\":\"return\"}",
     ACCEPTED, NULL},
    {"accepted, id as an object", 201,
     "{\"status\":\"success\",\"response\":[{\"id\":{\"fromMe\":true,\"_serialized\":\"true_8801712345678@c.us_3EB0\"}}]}", ACCEPTED,
     NULL},
    {"accepted, id under another name", 201,
     "{\"status\":\"success\",\"response\":[{\"id\":{\"fromMe\":true,\"remote\":\"8801712345678@c.us\",\"id\":\"3EB0\",\"$1\":\"x\"}}]}", ACCEPTED,
     NULL},
    {"of a group, with a participant", 201,
     "{\"status\":\"success\",\"response\":[{\"id\":\"true_120363021234567890@g.us_3EB0_8801711000099@c.us\",\"ack\":0}]}", ACCEPTED, NULL},
    {"201 with an empty list, which means that nothing was sent or anything", 201, "{\"status\":\"success\",\"response\":[]}",
     IN_DOUBT, "it has no message"},
    {"201 without a response", 201, "{\"status\":\"success\"}", IN_DOUBT, "it has no message"},
    {"201 with an object for a list", 201, "{\"status\":\"success\",\"response\":{\"id\":\"true_x\"}}", IN_DOUBT,
     "it has no message"},
    {"201 with another status", 201, "{\"status\":\"error\",\"response\":[{\"id\":\"true_x\"}],\"message\":\"Oh\"}", IN_DOUBT,
     "\"success\": Oh"},
    {"201 with status true", 201, "{\"status\":true,\"response\":[{\"id\":\"true_x\"}]}", IN_DOUBT, NULL},
    {"201 without a status", 201, "{\"response\":[{\"id\":\"true_x\"}]}", IN_DOUBT, NULL},
    {"200", 200, "{\"status\":\"success\",\"response\":[{\"id\":\"true_x@c.us_3EB0\"}]}", ACCEPTED, NULL},
    {"204", 204, "", IN_DOUBT, "it is empty"},
    {"201 with an empty id", 201, "{\"status\":\"success\",\"response\":[{\"id\":\"\"}]}", ACCEPTED, ""},
    {"201 with a number as id", 201, "{\"status\":\"success\",\"response\":[{\"id\":7}]}", ACCEPTED, "7"},
    {"201 with an object without the id", 201, "{\"status\":\"success\",\"response\":[{\"id\":{}}]}", ACCEPTED, ""},
    {"201 with NUL in the id", 201, "{\"status\":\"success\",\"response\":[{\"id\":\"a\\u0000\"}]}", ACCEPTED, ""},
    {"WhatsApp Web could not send it", 201, "{\"status\":\"success\",\"response\":[{\"id\":\"true_x@c.us_3EB0\",\"ack\":-1,\"isSendFailure\":true}]}",
     AGAIN, "did not take it"},
    {"201 with a page", 201, PAGE, OF_NOBODY, "check base_url"},
    {"not on WhatsApp", 400, "{\"response\":null,\"status\":\"Connected\",\"message\":\"O número 8801712345678 não existe.\"}",
     WAITS(MESSAGE, 20), "O número …78 não existe."},
    {"not on WhatsApp, escaped", 400, "{\"message\":\"O n\\u00famero 8801712345678 n\\u00e3o existe.\"}", WAITS(MESSAGE, 20),
     "not on WhatsApp"},
    {"another 400", 400, "{\"status\":\"error\",\"message\":\"Error sending message\"}", AGAIN, "Error sending message"},
    {"a page, 400", 400, PAGE, WAITS(SENDER, 60), "check base_url"},
    {"no token", 401, "{\"message\":\"Token is not present. Check your header and try again\"}", WAITS(SENDER, 60),
     "Token is not present"},
    {"bad token", 401, "{\"error\":\"Check that the Session and Token are correct\"}", WAITS(SENDER, 60), "Check that"},
    {"forbidden", 403, "", WAITS(SENDER, 60), "credential"},
    {"disconnected", 404, "{\"response\":null,\"status\":\"Disconnected\",\"message\":\"A sessão do WhatsApp não está ativa.\"}",
     WAITS(SENDER, WAIT_BY_BACKOFF), "A sessão do WhatsApp não está ativa."},
    {"a page, 404", 404, PAGE, WAITS(SENDER, 60), "account.session"},
    {"another 404", 404, "{}", WAITS(SENDER, 60), NULL},
    {"405", 405, "", WAITS(SENDER, 60), NULL},
    {"408", 408, "", AGAIN, NULL},
    {"413", 413, PAGE, REJECTED, "too large"},
    {"429", 429, "", WAITS(SENDER, WAIT_BY_BACKOFF), NULL},
    {"send threw", 500, "{\"status\":\"Error\",\"message\":\"Erro ao enviar a mensagem.\",\"error\":{}}", IN_DOUBT,
     "Erro ao enviar a mensagem."},
    {"reachout time lock", 500, "{\"status\":\"Error\",\"message\":\"server returned error 463\"}", WAITS(RECIPIENT, 21600),
     "new contacts"},
    {"message capping", 500, "{\"status\":\"Error\",\"message\":\"Erro\",\"error\":{\"text\":\"Server returned error 475\"}}",
     WAITS(RECIPIENT, 21600), "new contacts"},
    {"a page, 500", 500, PAGE, IN_DOUBT, NULL},
    {"bad gateway", 502, PAGE, IN_DOUBT, "proxy"},
    {"gateway time-out", 504, PAGE, IN_DOUBT, "proxy"},
    {"service unavailable", 503, "", WAITS(SENDER, WAIT_BY_BACKOFF), "not ready"},
    {"service unavailable, a proxy's page", 503, PAGE, IN_DOUBT, "a proxy's page"},
    {"507", 507, "", IN_DOUBT, NULL},
    {"redirected", 301, PAGE, WAITS(SENDER, 60), "base_url"},
    {"redirected with the method", 308, "", WAITS(SENDER, 60), "base_url"},
    {"101", 101, "", IN_DOUBT, NULL},
};

static void test_answer(void **state) {
    const struct answer_row *row = *state;
    struct sender sender = {.name = "main", .base_url = BASE, .secret = SECRET};
    struct message message = message_to(NUMBER, BODY);
    struct reply reply = reply_of(row->status, row->body);
    struct outcome o;

    gateway_outcome(&gateway_wppconnect, &sender, &message, &reply, &o);
    assert_outcome(&o, row->kind, row->scope, row->wait_sec, row->kind == OUTCOME_ACCEPTED ? NULL : row->reason_holds);
    assert_int_equal(o.status, row->status);
    if (row->kind == OUTCOME_ACCEPTED)
        assert_string_equal(o.message_id, row->reason_holds ? row->reason_holds : "3EB0");
}

static void test_hostile_replies(void **state) {
    static const char *const replies[] = {
        "[]", "null", "\"\"", "{\"status\":\"success\",\"response\":\"x\"}", "{\"status\":\"success\",\"response\":[[[]]]}",
        "{\"status\":\"success\",\"response\":[{\"id\":{\"_serialized\":{}}}]}", "{\"status\":[],\"response\":[{\"id\":\"x\"}]}",
        "{\"message\":\"" SECRET "\",\"error\":\"" NUMBER "\"}", "{\"message\":[],\"error\":{\"message\":{}}}",
    };
    static char long_id[1024 * 1024];
    struct sender sender = {.name = "main", .base_url = BASE, .secret = SECRET};
    struct message message = message_to(NUMBER, BODY);

    survive_hostile_replies(&gateway_wppconnect, &sender, &message, replies, ELEMENTSOF(replies), 1);
    memset(long_id, 'w', sizeof(long_id));
    memcpy(long_id, "{\"status\":\"success\",\"response\":[{\"id\":\"", 38);
    memcpy(long_id + sizeof(long_id) - 5, "\"}]}", 5);
    assert_survives(&gateway_wppconnect, &sender, &message, long_id, sizeof(long_id) - 1, 1);
}

static int request_for(const char *base_url, const char *account, const char *secret, const struct message *message,
                       struct request *request, struct outcome *outcome) {
    _cleanup_(json_freep) struct json *doc = parsed(account);
    struct sender sender = {.name = "main", .base_url = base_url, .account = json_root(doc), .secret = secret};

    memset(outcome, 0, sizeof(*outcome));
    request_init(request);
    return gateway_wppconnect.request(&sender, message, request, outcome);
}

static void test_individual(void **state) {
    struct message message = message_to(NUMBER, "Say \"hi\"\n€");
    struct request request;
    struct outcome o;

    assert_int_equal(request_for(BASE "/", ACCOUNT, SECRET, &message, &request, &o), 1);
    assert_string_equal(request.method, "POST");
    assert_string_equal(buf_string(&request.url), BASE "/api/alerts/send-message");
    assert_string_equal(header_of(&request, "Authorization"), "Bearer " SECRET);
    /* Exactly application/json would select the server's other code, with its false success. */
    assert_string_equal(header_of(&request, "Content-Type"), "application/json; charset=utf-8");
    assert_int_equal(request.header_count, 2);
    assert_string_equal(buf_string(&request.body), "{\"phone\":\"" NUMBER_DIGITS "\",\"isGroup\":false,\"isNewsletter\":false,"
                                                   "\"isLid\":false,\"message\":\"Say \\\"hi\\\"\\n€\"}");
    request_done(&request);
}

static void assert_group(const char *id) {
    struct message message = message_to(id, "x");
    char expected[256];
    struct request request;
    struct outcome o;

    (void) snprintf(expected, sizeof(expected), "{\"phone\":\"%s\",\"isGroup\":true,\"isNewsletter\":false,\"isLid\":false,"
                    "\"message\":\"x\"}", id);
    assert_int_equal(request_for(BASE, ACCOUNT, SECRET, &message, &request, &o), 1);
    assert_string_equal(buf_string(&request.body), expected);
    request_done(&request);
}

static void test_groups(void **state) {
    assert_group("120363041234567890@g.us");
    assert_group("8801712345678-1412345678@g.us");
}

static void test_session_is_escaped(void **state) {
    struct message message = message_to(NUMBER, "x");
    struct request request;
    struct outcome o;

    assert_int_equal(request_for(BASE, "{\"session\":\"../a b?\"}", SECRET, &message, &request, &o), 1);
    assert_string_equal(buf_string(&request.url), BASE "/api/..%2Fa%20b%3F/send-message");
    request_done(&request);
}

static void assert_refused(const struct message *message, const char *reason_holds) {
    struct request request;
    struct outcome o;

    assert_int_equal(request_for(BASE, ACCOUNT, SECRET, message, &request, &o), 0);
    assert_outcome(&o, REJECTED, reason_holds);
    request_done(&request);
}

static void test_several_phones_refused(void **state) {
    struct message message = message_to(NUMBER ",+8801812345678", "x");

    assert_refused(&message, "one recipient");
    message.target = NUMBER ";+8801812345678";
    assert_refused(&message, "one recipient");
    message.is_group = true;
    message.target = "120363041234567890@g.us,120363041234567891@g.us";
    assert_refused(&message, "one recipient");
}

static void test_targets_refused(void **state) {
    struct message message = message_to("+123456789012345", "x");

    assert_refused(&message, "15 digits");
    message.target = "+12345678901234"; /* 14 */
    {
        struct request request;
        struct outcome o;

        assert_int_equal(request_for(BASE, ACCOUNT, SECRET, &message, &request, &o), 1);
        request_done(&request);
    }
    message.target = "+55 21 99999999"; /* spaces would be kept */
    assert_refused(&message, "E.164");
    message.target = NUMBER_DIGITS;
    assert_refused(&message, "E.164");
    message.target = "120363041234567890@g.us"; /* without isGroup it would become another kind of id */
    assert_refused(&message, "E.164");
    message.target = "";
    assert_refused(&message, "E.164");
    message = message_to("120363041234567890", "x");
    assert_refused(&message, "not a group id");
    message.target = "Y2FwaV9ncm91cDo=";
    assert_refused(&message, "not a group id");
}

static void test_bodies_refused(void **state) {
    _cleanup_(json_freep) struct json *template = parsed("{\"name\":\"x\",\"language\":\"en\"}");
    static char body[65536 + 2];
    struct message message = message_to(NUMBER, "");
    struct request request;
    struct outcome o;

    assert_refused(&message, "the message is empty"); /* the server would take it */
    message.template = json_root(template);
    assert_refused(&message, "give the template a body");
    memset(body, 'x', sizeof(body) - 1);
    message.body = body;
    assert_refused(&message, "65537 characters, and wppconnect takes 65536");
    body[65536] = '\0';
    assert_int_equal(request_for(BASE, ACCOUNT, SECRET, &message, &request, &o), 1);
    request_done(&request);
    memset(body, '\x01', sizeof(body) - 2); /* six bytes each in JSON */
    assert_refused(&message, "too large");
}

static void assert_incomplete(const char *base_url, const char *account, const char *secret, const char *what) {
    _cleanup_(json_freep) struct json *doc = parsed(account);
    struct sender sender = {.name = "main", .base_url = base_url, .account = json_root(doc), .secret = secret};
    _cleanup_(buf_done) struct buf fault = BUF_MAX(4096);
    struct message message = message_to(NUMBER, BODY);
    struct request request;
    struct outcome o;

    assert_int_equal(gateway_wppconnect.check(&sender, &fault), -EINVAL);
    if (!strstr(buf_string(&fault), what))
        fail_msg("not \"%s\" in: %s", what, buf_string(&fault));
    assert_int_equal(request_for(base_url, account, secret, &message, &request, &o), 0);
    assert_outcome(&o, WAITS(SENDER, 60), what);
    request_done(&request);
}

static void test_check(void **state) {
    _cleanup_(json_freep) struct json *doc = parsed(ACCOUNT);
    struct sender sender = {.name = "main", .base_url = BASE, .account = json_root(doc), .secret = SECRET};
    _cleanup_(buf_done) struct buf fault = BUF_MAX(4096);

    assert_int_equal(gateway_wppconnect.check(&sender, &fault), 0);
    assert_string_equal(buf_string(&fault), "");
    sender.account = NULL;
    assert_int_equal(gateway_wppconnect.check(&sender, &fault), -EINVAL);
    assert_incomplete(BASE, "{}", SECRET, "{\"session\": \"alerts\"}");
    assert_incomplete(BASE, "{\"session\":\"\"}", SECRET, "missing");
    assert_incomplete(BASE, "{\"session\":{}}", SECRET, "missing");
    assert_incomplete(BASE, "{\"session\":\"a\\nb\"}", SECRET, "not a session's name");
    assert_incomplete("", ACCOUNT, SECRET, "http://127.0.0.1:21465");
    assert_incomplete(NULL, ACCOUNT, SECRET, "base_url");
    assert_incomplete("http://u:p@x", ACCOUNT, SECRET, "user name");
    assert_incomplete(BASE "/?a", ACCOUNT, SECRET, "query");
    assert_incomplete(BASE, ACCOUNT, NULL, "generate-token");
    assert_incomplete(BASE, ACCOUNT, "", "no token");
    assert_incomplete(BASE, ACCOUNT, "a\nb", "control character");
}

int main(void) {
    const struct CMUnitTest others[] = {
        cmocka_unit_test(test_hostile_replies), cmocka_unit_test(test_individual), cmocka_unit_test(test_groups),
        cmocka_unit_test(test_session_is_escaped), cmocka_unit_test(test_several_phones_refused),
        cmocka_unit_test(test_targets_refused), cmocka_unit_test(test_bodies_refused), cmocka_unit_test(test_check),
    };
    static struct CMUnitTest tests[ELEMENTSOF(rows) + ELEMENTSOF(others)];

    for (size_t i = 0; i < ELEMENTSOF(rows); i++)
        tests[i] = (struct CMUnitTest) {.name = rows[i].name, .test_func = test_answer, .initial_state = (void *) &rows[i]};
    memcpy(tests + ELEMENTSOF(rows), others, sizeof(others));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
