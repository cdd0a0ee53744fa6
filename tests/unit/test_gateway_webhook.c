/* The webhook gateway: the two examples of its header comment as they stand, its placeholders, and one test for each row of what
 * answers mean. */
#include "gateway_fixture.h"

#include <errno.h>
#include <stdlib.h>

/* As in the header comment of webhook.c; test_examples_are_in_the_comment() holds that. */
#define MINIMAL_BASE "http://127.0.0.1:3000"
static const char minimal[] =
    "{\"path\": \"/send-message\",\n"
    " \"body\": {\"phone\": \"{{phone}}\", \"message\": \"{{body}}\"},\n"
    " \"success\": {\"status\": [200], \"path\": \"messageId\", \"equals\": {\"success\": true}},\n"
    " \"rejected\": {\"status\": [400]}}\n";

#define N8N_BASE "https://n8n.example.org/webhook/alerts"
static const char n8n[] =
    "{\"headers\": {\"X-Api-Key\": \"{{credential}}\"},\n"
    " \"body\": {\"to\": \"{{target}}\", \"kind\": \"{{kind}}\", \"text\": \"{{body}}\", \"key\": \"{{key}}\"}}\n";

static const char bare[] = "{\"body\":\"{{body}}\"}";
static const char wwebjs[] = "{\"body\":{\"chatId\":\"{{phone}}@c.us\",\"contentType\":\"string\",\"content\":\"{{body}}\"},"
                             "\"success\":{\"path\":\"message.id._serialized\",\"equals\":{\"success\":true}}}";
static const char evolution[] = "{\"headers\":{\"apikey\":\"{{credential}}\"},\"body\":{\"number\":\"{{phone}}\",\"text\":\"{{body}}\"},"
                                "\"success\":{\"status\":201,\"path\":\"key.id\"}}";

#define PAGE "<!DOCTYPE html>\n<html><body>Error</body></html>"

struct webhook_row {
    const char *account;
    const char *message_id;
    struct answer_row answer;
};

static const struct webhook_row rows[] = {
    /* The gateway on whatsapp-web.js with /send-message. */
    {minimal, "3EB0", {"minimal: accepted", 200, "{\"success\":true,\"messageId\":\"3EB0\",\"timestamp\":1}", ACCEPTED, NULL}},
    {minimal, NULL, {"minimal: not ready", 503, "{\"success\":false,\"error\":\"WhatsApp client not ready\",\"qrCode\":\"data:x\"}",
                     WAITS(SENDER, WAIT_BY_BACKOFF), "WhatsApp client not ready"}},
    {minimal, NULL, {"minimal: not registered", 400, "{\"success\":false,\"error\":\"Number 8801712345678 is not registered\"}",
                     REJECTED, "Number …78 is not registered"}},
    {minimal, NULL, {"minimal: 422 is not in its list", 422, "{}", AGAIN, NULL}},
    {minimal, "", {"minimal: no id", 200, "{\"success\":true}", ACCEPTED, NULL}},
    {minimal, "", {"minimal: id null", 200, "{\"success\":true,\"messageId\":null}", ACCEPTED, NULL}},
    {minimal, "", {"minimal: id as an object", 200, "{\"success\":true,\"messageId\":{}}", ACCEPTED, NULL}},
    {minimal, "", {"minimal: the secret as an id", 200, "{\"success\":true,\"messageId\":\"a " SECRET "\"}", ACCEPTED, NULL}},
    {minimal, "42", {"minimal: id as a number", 200, "{\"success\":true,\"messageId\":42}", ACCEPTED, NULL}},
    {minimal, "", {"minimal: id with NUL", 200, "{\"success\":true,\"messageId\":\"a\\u0000\"}", ACCEPTED, NULL}},
    {minimal, NULL, {"minimal: a no with 200", 200, "{\"success\":false,\"error\":\"Oh\"}", AGAIN, "account.success says: Oh"}},
    {minimal, NULL, {"minimal: success as text", 200, "{\"success\":\"true\",\"messageId\":\"x\"}", AGAIN, NULL}},
    {minimal, NULL, {"minimal: no success", 200, "{\"messageId\":\"3EB0\"}", IN_DOUBT, "\"success\" is not in the answer"}},
    {minimal, NULL, {"minimal: empty", 200, "", IN_DOUBT, "it is empty"}},
    {minimal, NULL, {"minimal: a page", 200, PAGE, OF_NOBODY, "a web page"}},
    {minimal, NULL, {"minimal: another 2xx", 202, "{\"success\":true,\"messageId\":\"3EB0\"}", IN_DOUBT, "account.success"}},
    {minimal, NULL, {"minimal: threw", 500, "{\"success\":false,\"error\":\"Evaluation failed\"}", IN_DOUBT, "Evaluation failed"}},

    /* An n8n workflow. */
    {n8n, "", {"n8n: started", 200, "{\"message\":\"Workflow was started\"}", ACCEPTED, NULL}},
    {n8n, "", {"n8n: any 2xx", 204, "", ACCEPTED, NULL}},
    {n8n, "", {"n8n: any body", 200, "[[[", ACCEPTED, NULL}},
    {n8n, NULL, {"n8n: inactive", 404, "{\"code\":404,\"message\":\"The requested webhook \\\"POST alerts\\\" is not registered.\"}",
                 WAITS(SENDER, 60), "is not registered"}},
    {n8n, NULL, {"n8n: 401", 401, "", WAITS(SENDER, 60), "credential"}},
    {n8n, NULL, {"n8n: 403", 403, "Authorization data is wrong!", WAITS(SENDER, 60), "Authorization data is wrong!"}},

    /* By the status. */
    {bare, NULL, {"400", 400, "{\"error\":\"bad\"}", REJECTED, "(HTTP 400): bad"}},
    {bare, NULL, {"422", 422, "{\"message\":\"bad\"}", REJECTED, "(HTTP 422): bad"}},
    {bare, NULL, {"400, a page", 400, PAGE, WAITS(SENDER, 60), "base_url"}},
    {bare, NULL, {"404", 404, PAGE, WAITS(SENDER, 60), "base_url"}},
    {bare, NULL, {"405", 405, "", WAITS(SENDER, 60), "account.method"}},
    {bare, NULL, {"407", 407, "", WAITS(SENDER, 60), NULL}},
    {bare, NULL, {"408", 408, "", AGAIN, NULL}},
    {bare, NULL, {"410", 410, "", WAITS(SENDER, 60), NULL}},
    {bare, NULL, {"413", 413, "", REJECTED, "too large"}},
    {bare, NULL, {"415", 415, "", WAITS(SENDER, 60), "Content-Type"}},
    {bare, NULL, {"429", 429, "Too many requests", WAITS(SENDER, WAIT_BY_BACKOFF), "Too many requests"}},
    {bare, NULL, {"409", 409, "", AGAIN, NULL}},
    {bare, NULL, {"500", 500, "", IN_DOUBT, NULL}},
    {bare, NULL, {"501", 501, "", IN_DOUBT, NULL}},
    {bare, NULL, {"520", 520, PAGE, IN_DOUBT, NULL}},
    {bare, NULL, {"a page, 503", 503, PAGE, IN_DOUBT, "a proxy's page"}},
    {bare, NULL, {"n8n: it failed on the way", 500, "{\"message\":\"Error in workflow\"}", IN_DOUBT, "Error in workflow"}},
    {bare, NULL, {"n8n: it did not begin", 500, "{\"code\":0,\"message\":\"Workflow Webhook Error: Workflow could not be started!\"}",
                  WAITS(SENDER, WAIT_BY_BACKOFF), "does not start"}},
    {bare, NULL, {"502", 502, PAGE, IN_DOUBT, "proxy"}},
    {bare, NULL, {"503", 503, "", WAITS(SENDER, WAIT_BY_BACKOFF), "not ready"}},
    {bare, NULL, {"504", 504, PAGE, IN_DOUBT, "proxy"}},
    {bare, NULL, {"301", 301, "", WAITS(SENDER, 60), "base_url"}},
    {bare, NULL, {"100", 100, "", IN_DOUBT, "account.success"}},
    {bare, NULL, {"reachout time lock", 500, "{\"exception\":{\"message\":\"server returned error 463\"}}",
                  WAITS(RECIPIENT, 21600), "new contacts"}},
    {bare, NULL, {"message capping", 400, "{\"error\":\"server returned error 475\"}", WAITS(RECIPIENT, 21600), "new contacts"}},
    {bare, "", {"such words in a success", 200, "{\"note\":\"server returned error 475\"}", ACCEPTED, NULL}},

    /* Well-known gateways, told by an account. */
    {wwebjs, "true_1@c.us_A", {"wwebjs-api: accepted", 200, "{\"success\":true,\"message\":{\"id\":{\"_serialized\":\"true_1@c.us_A\"}}}",
                               ACCEPTED, NULL}},
    {wwebjs, "", {"wwebjs-api: 200 without a message", 200, "{\"success\":true}", ACCEPTED, NULL}},
    {wwebjs, NULL, {"wwebjs-api: bad key", 403, "{\"success\":false,\"error\":\"Invalid API key\"}", WAITS(SENDER, 60), "Invalid API"}},
    {wwebjs, NULL, {"wwebjs-api: bad session name", 422, "{\"success\":false,\"error\":\"Session should be alphanumerical or -\"}",
                    WAITS(SENDER, 60), "base_url"}},
    {wwebjs, NULL, {"wwebjs-api: not connected", 404, "{\"success\":false,\"error\":\"session_not_connected\"}", WAITS(SENDER, 60),
                    "session_not_connected"}},
    {wwebjs, NULL, {"wwebjs-api: wrong contentType", 400, "{\"success\":false,\"error\":\"invalid contentType\"}", REJECTED,
                    "invalid contentType"}},
    {wwebjs, NULL, {"wwebjs-api: no such user", 500, "{\"success\":false,\"error\":\"No LID for user\"}", REJECTED, "WhatsApp"}},
    {wwebjs, NULL, {"wwebjs-api: threw", 500, "{\"success\":false,\"error\":\"Evaluation failed: x\"}", IN_DOUBT, "Evaluation failed"}},
    {bare, NULL, {"WAHA: session not working", 422,
                  "{\"error\":\"Session status is not as expected. Try again later\",\"status\":\"STARTING\"}",
                  WAITS(SENDER, WAIT_BY_BACKOFF), "pair it"}},
    {bare, NULL, {"WAHA: only in another edition", 422, "{\"message\":\"available only in Plus version\"}", REJECTED, "Plus"}},
    {bare, NULL, {"WAHA: engine threw, and echoes the request", 500,
                  "{\"statusCode\":500,\"exception\":{\"message\":\"x " BODY "\"},\"request\":{\"body\":{\"chatId\":\"8801712345678@c.us\"}}}",
                  IN_DOUBT, "x […]"}},
    {evolution, "3EB0", {"Evolution: accepted", 201, "{\"key\":{\"id\":\"3EB0\"},\"status\":\"PENDING\"}", ACCEPTED, NULL}},
    {evolution, NULL, {"Evolution: 200 is not its success", 200, "{\"key\":{\"id\":\"3EB0\"}}", IN_DOUBT, NULL}},
    {evolution, NULL, {"Evolution: unauthorized", 401, "{\"status\":401,\"error\":\"Unauthorized\"}", WAITS(SENDER, 60), NULL}},
    {evolution, NULL, {"Evolution: no such instance", 404,
                       "{\"status\":404,\"response\":{\"message\":[\"The \\\"x\\\" instance does not exist\"]}}", WAITS(SENDER, 60),
                       "instance does not exist"}},
    {evolution, NULL, {"Evolution: not on WhatsApp", 400,
                       "{\"status\":400,\"response\":{\"message\":[{\"exists\":false,\"number\":\"8801712345678\"}]}}", REJECTED, NULL}},
    {evolution, NULL, {"Evolution: connection closed", 400, "{\"response\":{\"message\":[\"Error: Connection Closed\"]}}",
                       WAITS(SENDER, WAIT_BY_BACKOFF), "Connection Closed"}},
};

static void test_answer(void **state) {
    const struct webhook_row *row = *state;
    _cleanup_(json_freep) struct json *account = parsed(row->account);
    struct sender sender = {.name = "main", .base_url = "http://x", .account = json_root(account), .secret = SECRET};
    struct message message = message_to(NUMBER, BODY);
    struct reply reply = reply_of(row->answer.status, row->answer.body);
    struct outcome o;

    gateway_outcome(&gateway_webhook, &sender, &message, &reply, &o);
    assert_outcome(&o, row->answer.kind, row->answer.scope, row->answer.wait_sec, row->answer.reason_holds);
    assert_int_equal(o.status, row->answer.status);
    if (row->answer.kind == OUTCOME_ACCEPTED)
        assert_string_equal(o.message_id, row->message_id);
}

/* --- success and rejected --- */

static void assert_status(const char *account, int status, const char *body, enum outcome_kind kind) {
    _cleanup_(json_freep) struct json *doc = parsed(account);
    struct sender sender = {.name = "main", .base_url = "http://x", .account = json_root(doc), .secret = SECRET};
    struct message message = message_to(NUMBER, BODY);
    struct reply reply = reply_of(status, body);
    struct outcome o;

    gateway_outcome(&gateway_webhook, &sender, &message, &reply, &o);
    if (o.kind != kind)
        fail_msg("HTTP %d with %s is %s: %s", status, account, outcome_kind_to_string(o.kind), o.reason);
}

static void test_success_status(void **state) {
    static const char one[] = "{\"body\":1,\"success\":{\"status\":202}}";
    static const char list[] = "{\"body\":1,\"success\":{\"status\":[200,\"3xx\"]}}";
    static const char class[] = "{\"body\":1,\"success\":{\"status\":\"2xx\"}}";

    assert_status(one, 202, "", OUTCOME_ACCEPTED);
    assert_status(one, 200, "", OUTCOME_IN_DOUBT);
    assert_status(list, 200, "", OUTCOME_ACCEPTED);
    assert_status(list, 307, "", OUTCOME_ACCEPTED);
    assert_status(list, 201, "", OUTCOME_IN_DOUBT);
    assert_status(class, 299, "", OUTCOME_ACCEPTED);
    assert_status(class, 300, "", OUTCOME_WAIT);
    assert_status(class, 2, "", OUTCOME_IN_DOUBT);
}

static void test_success_equals(void **state) {
    static const char several[] = "{\"body\":1,\"success\":{\"equals\":{\"a.b\":\"x\",\"n\":1,\"z\":null}}}";

    assert_status(several, 200, "{\"a\":{\"b\":\"x\"},\"n\":1,\"z\":null}", OUTCOME_ACCEPTED);
    assert_status(several, 200, "{\"a\":{\"b\":\"y\"},\"n\":1,\"z\":null}", OUTCOME_WAIT);
    assert_status(several, 200, "{\"a\":{\"b\":\"x\"},\"n\":2,\"z\":null}", OUTCOME_WAIT);
    assert_status(several, 200, "{\"a\":{\"b\":\"x\"},\"n\":1,\"z\":{}}", OUTCOME_WAIT);
    assert_status(several, 200, "{\"a\":{\"b\":\"x\"},\"n\":1}", OUTCOME_IN_DOUBT);
}

static void test_rejected_status(void **state) {
    static const char list[] = "{\"body\":1,\"rejected\":{\"status\":[409,\"5xx\"]}}";

    assert_status(list, 409, "", OUTCOME_REJECTED);
    assert_status(list, 503, "server returned error 463", OUTCOME_REJECTED); /* the account's own word stands */
    assert_status(list, 400, "", OUTCOME_WAIT);
    assert_status(list, 422, "", OUTCOME_WAIT);
}

static void test_retry_after_is_honoured(void **state) {
    struct sender sender = {.name = "main", .base_url = "http://x", .secret = SECRET};
    struct message message = message_to(NUMBER, BODY);
    struct reply reply = reply_of(429, "");
    struct outcome o;

    reply.retry_after_sec = 17;
    gateway_outcome(&gateway_webhook, &sender, &message, &reply, &o);
    assert_outcome(&o, WAITS(SENDER, 17), NULL);
}

static void test_hostile_replies(void **state) {
    static const char *const replies[] = {
        "[]", "null", "7", "{\"success\":true,\"messageId\":[]}", "{\"success\":{},\"messageId\":\"x\"}", "{\"success\":[true]}",
        "{\"error\":{\"message\":{}},\"message\":[[]],\"response\":{\"message\":[[]]}}", "{\"message\":\"" SECRET " " BODY "\"}",
    };
    static char long_id[1024 * 1024];
    static const char *const accounts[] = {minimal, n8n};

    for (size_t i = 0; i < ELEMENTSOF(accounts); i++) {
        _cleanup_(json_freep) struct json *doc = parsed(accounts[i]);
        struct sender sender = {.name = "main", .base_url = "http://x", .account = json_root(doc), .secret = SECRET};
        struct message message = message_to(NUMBER, BODY);
        size_t count = ELEMENTSOF(replies);

        /* The minimal gateway's own "no" is a wait, so its replies with another value of success are left to the rows above. */
        if (accounts[i] == minimal)
            count = 4;
        survive_hostile_replies(&gateway_webhook, &sender, &message, replies, count, 1);
        memset(long_id, 'w', sizeof(long_id));
        memcpy(long_id, "{\"success\":true,\"messageId\":\"", 29);
        memcpy(long_id + sizeof(long_id) - 3, "\"}", 3);
        assert_survives(&gateway_webhook, &sender, &message, long_id, sizeof(long_id) - 1, 1);
    }
}

/* --- the request --- */

static int request_for(const char *base_url, const char *account, const char *secret, const struct message *message,
                       struct request *request, struct outcome *outcome) {
    _cleanup_(json_freep) struct json *doc = parsed(account);
    struct sender sender = {.name = "main", .base_url = base_url, .account = json_root(doc), .secret = secret};

    memset(outcome, 0, sizeof(*outcome));
    request_init(request);
    return gateway_webhook.request(&sender, message, request, outcome);
}

static void test_minimal_request(void **state) {
    struct message message = message_to(NUMBER, "Say \"hi\"\n");
    struct request request;
    struct outcome o;

    assert_int_equal(request_for(MINIMAL_BASE, minimal, NULL, &message, &request, &o), 1);
    assert_string_equal(request.method, "POST");
    assert_string_equal(buf_string(&request.url), "http://127.0.0.1:3000/send-message");
    assert_string_equal(header_of(&request, "Content-Type"), "application/json; charset=utf-8");
    assert_int_equal(request.header_count, 1);
    assert_string_equal(buf_string(&request.body), "{\"phone\":\"" NUMBER_DIGITS "\",\"message\":\"Say \\\"hi\\\"\\n\"}");
    request_done(&request);
}

static void test_n8n_request(void **state) {
    struct message message = message_to("120363041234567890@g.us", BODY);
    struct request request;
    struct outcome o;

    assert_int_equal(request_for(N8N_BASE, n8n, SECRET, &message, &request, &o), 1);
    assert_string_equal(buf_string(&request.url), N8N_BASE);
    assert_string_equal(header_of(&request, "X-Api-Key"), SECRET);
    assert_string_equal(buf_string(&request.body), "{\"to\":\"120363041234567890@g.us\",\"kind\":\"group\",\"text\":\"" BODY
                                                   "\",\"key\":\"12.34\"}");
    request_done(&request);
}

static void assert_body(const char *account, const char *target, const char *text, const char *expected) {
    struct message message = message_to(target, text);
    struct request request;
    struct outcome o;

    assert_int_equal(request_for("http://x", account, SECRET, &message, &request, &o), 1);
    assert_string_equal(buf_string(&request.body), expected);
    request_done(&request);
}

static void test_placeholders(void **state) {
    assert_body("{\"body\":[\"{{target}}\",\"{{phone}}\",\"{{body}}\",\"{{id}}\",\"{{attempt_id}}\",\"{{key}}\",\"{{kind}}\"]}", NUMBER,
                "x", "[\"" NUMBER "\",\"" NUMBER_DIGITS "\",\"x\",\"12\",\"34\",\"12.34\",\"individual\"]");
    assert_body("{\"body\":\"{{phone}}@c.us|{{id}}{{id}}|{ {{kind}} }\"}", "120363041234567890@g.us", "x",
                "\"120363041234567890@g.us@c.us|1212|{ group }\"");
    /* A value stays one value, and a placeholder in a person's text stays text. */
    assert_body("{\"body\":{\"a\":\"{{body}}\"}}", NUMBER, "\",\"b\":\"\\ {{target}} {{id}}",
                "{\"a\":\"\\\",\\\"b\\\":\\\"\\\\ {{target}} {{id}}\"}");
    /* Everything else goes through as it is; keys are no place for them. */
    assert_body("{\"body\":{\"n\":1.50,\"t\":true,\"z\":null,\"e\":{},\"l\":[],\"{{id}}\":\"{x}\"}}", NUMBER, "x",
                "{\"n\":1.50,\"t\":true,\"z\":null,\"e\":{},\"l\":[],\"{{id}}\":\"{x}\"}");
}

static void test_methods_and_headers(void **state) {
    struct message message = message_to(NUMBER, "x");
    struct request request;
    struct outcome o;

    assert_int_equal(request_for("http://x/a/", "{\"method\":\"PUT\",\"path\":\"/b?c=d\",\"headers\":{\"content-type\":\"text/json\","
                                 "\"Idempotency-Key\":\"k-{{key}}\",\"Authorization\":\"Bearer {{credential}}\"},\"body\":{}}",
                                 SECRET, &message, &request, &o), 1);
    assert_string_equal(request.method, "PUT");
    assert_string_equal(buf_string(&request.url), "http://x/a/b?c=d");
    assert_string_equal(header_of(&request, "content-type"), "text/json");
    assert_string_equal(header_of(&request, "Idempotency-Key"), "k-12.34");
    assert_string_equal(header_of(&request, "Authorization"), "Bearer " SECRET);
    assert_int_equal(request.header_count, 3);
    request_done(&request);
    assert_int_equal(request_for("http://x/a/?b", "{\"method\":\"PATCH\",\"body\":[]}", NULL, &message, &request, &o), 1);
    assert_string_equal(request.method, "PATCH");
    assert_string_equal(buf_string(&request.url), "http://x/a/?b");
    request_done(&request);
}

static void assert_refused(const struct message *message, const char *account, const char *reason_holds) {
    struct request request;
    struct outcome o;

    assert_int_equal(request_for("http://x", account, SECRET, message, &request, &o), 0);
    assert_outcome(&o, REJECTED, reason_holds);
    request_done(&request);
}

static void test_messages_refused(void **state) {
    _cleanup_(json_freep) struct json *template = parsed("{\"name\":\"x\",\"language\":\"en\"}");
    _cleanup_(freep) char *huge = malloc(REQUEST_BODY_BYTES_MAX + 1);
    struct message message = message_to(NUMBER, "");

    assert_non_null(huge);
    assert_refused(&message, bare, "the message is empty");
    message.template = json_root(template);
    assert_refused(&message, bare, "give the template a body");
    message = message_to("a\r\nX: y", "x");
    assert_refused(&message, "{\"headers\":{\"To\":\"{{target}}\"},\"body\":1}", "control character");
    message.target = "";
    assert_refused(&message, bare, "target is empty");
    memset(huge, 'x', REQUEST_BODY_BYTES_MAX);
    huge[REQUEST_BODY_BYTES_MAX] = '\0';
    message = message_to(NUMBER, huge);
    assert_refused(&message, bare, "too large");
    huge[REQUEST_BODY_BYTES_MAX / 2] = '\0';
    assert_refused(&message, "{\"body\":[\"{{body}}\",\"{{body}}\",\"{{body}}\"]}", "too large");
    assert_refused(&message, "{\"body\":\"{{body}}{{body}}{{body}}\"}", "too large");
}

static void assert_incomplete(const char *base_url, const char *account, const char *secret, const char *what) {
    _cleanup_(json_freep) struct json *doc = parsed(account);
    struct sender sender = {.name = "main", .base_url = base_url, .account = json_root(doc), .secret = secret};
    _cleanup_(buf_done) struct buf fault = BUF_MAX(4096);
    struct message message = message_to(NUMBER, BODY);
    struct request request;
    struct outcome o;

    assert_int_equal(gateway_webhook.check(&sender, &fault), -EINVAL);
    if (!strstr(buf_string(&fault), what))
        fail_msg("not \"%s\" in: %s", what, buf_string(&fault));
    assert_int_equal(request_for(base_url, account, secret, &message, &request, &o), 0);
    assert_outcome(&o, WAITS(SENDER, 60), NULL);
    request_done(&request);
}

static void test_check_body_and_url(void **state) {
    assert_incomplete("http://x", "{}", NULL, "{\"body\": {\"to\": \"{{phone}}\", \"text\": \"{{body}}\"}}");
    assert_incomplete("http://x", "[]", NULL, "\"body\" is missing");
    assert_incomplete("http://x", "{\"body\":[{\"a\":\"{{nmae}}\"}]}", NULL, "{{attempt_id}}");
    assert_incomplete("http://x", "{\"body\":\"{{body\"}", NULL, "not known");
    assert_incomplete("http://x", "{\"body\":\"{{credential}}\"}", SECRET, "in headers only");
    assert_incomplete("", bare, NULL, "https://n8n.example.org/webhook/alerts");
    assert_incomplete("http://x/#a", bare, NULL, "fragment");
    assert_incomplete("http://x/{{id}}", bare, NULL, "%XX");
    assert_incomplete("http://x", "{\"body\":1,\"path\":\"send\"}", NULL, "{\"path\": \"/send-message\"}");
    assert_incomplete("http://x", "{\"body\":1,\"path\":\"/a b\"}", NULL, "not a path");
    assert_incomplete("http://x", "{\"body\":1,\"path\":\"/a\\r\\nb\"}", NULL, "not a path");
    assert_incomplete("http://x", "{\"body\":1,\"path\":\"/{{id}}\"}", NULL, "not a path");
    assert_incomplete("http://x", "{\"body\":1,\"path\":\"/é\"}", NULL, "not a path");
    assert_incomplete("http://x", "{\"body\":1,\"path\":7}", NULL, "not a path");
    assert_incomplete("http://x?a", "{\"body\":1,\"path\":\"/b\"}", NULL, "query");
    assert_incomplete("http://x", "{\"body\":1,\"method\":\"GET\"}", NULL, "POST, PUT and PATCH");
    assert_incomplete("http://x", "{\"body\":1,\"method\":[]}", NULL, "POST, PUT and PATCH");
}

static void test_check_headers(void **state) {
    static const char *const reserved[] = {"Host", "content-length", "Transfer-Encoding", "CONNECTION", "Expect", "Upgrade"};
    char account[2048] = "{\"body\":1,\"headers\":{\"A0\":\"x\"";

    for (size_t i = 0; i < ELEMENTSOF(reserved); i++) {
        (void) snprintf(account, sizeof(account), "{\"body\":1,\"headers\":{\"%s\":\"x\"}}", reserved[i]);
        assert_incomplete("http://x", account, NULL, "Take it out");
    }
    assert_incomplete("http://x", "{\"body\":1,\"headers\":[]}", NULL, "{\"X-Api-Key\": \"{{credential}}\"}");
    assert_incomplete("http://x", "{\"body\":1,\"headers\":{\"\":\"x\"}}", NULL, "no header can have");
    assert_incomplete("http://x", "{\"body\":1,\"headers\":{\"a: b\":\"x\"}}", NULL, "no header can have");
    assert_incomplete("http://x", "{\"body\":1,\"headers\":{\"a\\r\\nb\":\"x\"}}", NULL, "no header can have");
    assert_incomplete("http://x", "{\"body\":1,\"headers\":{\"A\":\"x\\r\\nB: y\"}}", NULL, "control character");
    assert_incomplete("http://x", "{\"body\":1,\"headers\":{\"A\":7}}", NULL, "is not a text");
    assert_incomplete("http://x", "{\"body\":1,\"headers\":{\"A\":\"{{body}}\"}}", NULL, "in the body only");
    assert_incomplete("http://x", "{\"body\":1,\"headers\":{\"A\":\"{{secret}}\"}}", NULL, "not known");
    assert_incomplete("http://x", n8n, NULL, "'webhook_key'");
    assert_incomplete("http://x", n8n, "a\r\nX: y", "control character");
    (void) snprintf(account, sizeof(account), "{\"body\":1,\"headers\":{\"A\":\"x\"");
    for (size_t i = 0, used = strlen(account); i < REQUEST_HEADERS_MAX - 1; i++)
        used += (size_t) snprintf(account + used, sizeof(account) - used, ",\"A%zu\":\"x\"%s", i,
                                  i == REQUEST_HEADERS_MAX - 2 ? "}}" : "");
    assert_incomplete("http://x", account, NULL, "more than 15");
}

static void test_check_answers(void **state) {
    static const char *const bad[] = {
        "{\"body\":1,\"success\":[]}", "{\"body\":1,\"success\":{\"status\":\"6xx\"}}", "{\"body\":1,\"success\":{\"status\":[]}}",
        "{\"body\":1,\"success\":{\"status\":99}}", "{\"body\":1,\"success\":{\"status\":[200,{}]}}",
        "{\"body\":1,\"success\":{\"path\":7}}", "{\"body\":1,\"success\":{\"path\":\"\"}}", "{\"body\":1,\"success\":{\"equals\":[]}}",
    };
    _cleanup_(buf_done) struct buf fault = BUF_MAX(4096);
    _cleanup_(json_freep) struct json *first = parsed(minimal), *second = parsed(n8n);
    struct sender sender = {.name = "main", .base_url = MINIMAL_BASE, .account = json_root(first)};

    for (size_t i = 0; i < ELEMENTSOF(bad); i++)
        assert_incomplete("http://x", bad[i], NULL, "{\"success\": {\"status\": [200");
    assert_incomplete("http://x", "{\"body\":1,\"rejected\":400}", NULL, "{\"rejected\": {\"status\":");
    assert_incomplete("http://x", "{\"body\":1,\"rejected\":{\"status\":{}}}", NULL, "{\"rejected\": {\"status\":");
    assert_int_equal(gateway_webhook.check(&sender, &fault), 0);
    sender = (struct sender) {.name = "main", .base_url = N8N_BASE, .account = json_root(second), .secret = SECRET};
    assert_int_equal(gateway_webhook.check(&sender, &fault), 0);
    assert_string_equal(buf_string(&fault), "");
    sender.account = NULL;
    assert_int_equal(gateway_webhook.check(&sender, &fault), -EINVAL);
}

/* Without spaces, line ends and the stars of a comment. */
static void squeeze(const char *text, char *ret, size_t ret_size) {
    size_t used = 0;

    for (; *text && used + 1 < ret_size; text++)
        if (!strchr(" \n*", *text))
            ret[used++] = *text;
    ret[used] = '\0';
}

static void test_examples_are_in_the_comment(void **state) {
    static const char *const examples[] = {minimal, n8n, MINIMAL_BASE, N8N_BASE};
    static char source[64 * 1024], squeezed[64 * 1024], example[2048];
    const char *here = __FILE__, *name = strstr(here, "tests/unit/");
    char path[1024];
    FILE *f;

    assert_non_null(name);
    (void) snprintf(path, sizeof(path), "%.*ssrc/gateway/webhook.c", (int) (name - here), here);
    f = fopen(path, "re");
    assert_non_null(f);
    source[fread(source, 1, sizeof(source) - 1, f)] = '\0';
    (void) fclose(f);
    squeeze(source, squeezed, sizeof(squeezed));
    for (size_t i = 0; i < ELEMENTSOF(examples); i++) {
        squeeze(examples[i], example, sizeof(example));
        assert_non_null(strstr(squeezed, example));
    }
}

int main(void) {
    const struct CMUnitTest others[] = {
        cmocka_unit_test(test_success_status), cmocka_unit_test(test_success_equals), cmocka_unit_test(test_rejected_status),
        cmocka_unit_test(test_retry_after_is_honoured), cmocka_unit_test(test_hostile_replies),
        cmocka_unit_test(test_minimal_request), cmocka_unit_test(test_n8n_request), cmocka_unit_test(test_placeholders),
        cmocka_unit_test(test_methods_and_headers), cmocka_unit_test(test_messages_refused),
        cmocka_unit_test(test_check_body_and_url), cmocka_unit_test(test_check_headers), cmocka_unit_test(test_check_answers),
        cmocka_unit_test(test_examples_are_in_the_comment),
    };
    static struct CMUnitTest tests[ELEMENTSOF(rows) + ELEMENTSOF(others)];

    for (size_t i = 0; i < ELEMENTSOF(rows); i++)
        tests[i] = (struct CMUnitTest) {.name = rows[i].answer.name, .test_func = test_answer, .initial_state = (void *) &rows[i]};
    memcpy(tests + ELEMENTSOF(rows), others, sizeof(others));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
