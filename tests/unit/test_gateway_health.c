/* How gateways are asked how a sender is, and what their answers mean. */
#include "gateway_fixture.h"

#include <errno.h>

#define SESSION "{\"session\":\"alerts\"}"

static const struct asked {
    const struct gateway *gateway;
    const char *account, *header, *credential;
    bool is_open; /* a credential is not needed */
} gateways[] = {
    {&gateway_cloud, "{\"phone_number_id\":\"106540352242922\",\"api_version\":\"v25.0\"}", "Authorization", "Bearer " SECRET, false},
    {&gateway_evolution, "{\"instance\":\"alerts\"}", "apikey", SECRET, false},
    {&gateway_waha, SESSION, "X-Api-Key", SECRET, false},
    {&gateway_webjs, SESSION, "x-api-key", SECRET, true},
    {&gateway_wppconnect, SESSION, "Authorization", "Bearer " SECRET, false},
};

struct health_row {
    const char *name;
    const struct gateway *gateway;
    unsigned step;
    int status;
    const char *body;
    enum health_kind kind;
    int64_t wait_sec;
    const char *reason_holds; /* or NULL: none */
};

static const struct health_row rows[] = {
    {"connected", &gateway_wppconnect, 0, 200, "{\"status\":\"CONNECTED\",\"qrcode\":null}", HEALTH_WELL, 0, NULL},
    {"closed", &gateway_wppconnect, 0, 200, "{\"status\":\"CLOSED\"}", HEALTH_GO_ON, 0, NULL},
    {"never started", &gateway_wppconnect, 0, 200, "{\"status\":null}", HEALTH_GO_ON, 0, NULL},
    {"starting", &gateway_wppconnect, 0, 200, "{\"status\":\"INITIALIZING\"}", HEALTH_ILL, 5, "being started"},
    {"waits for its QR code", &gateway_wppconnect, 0, 200, "{\"status\":\"QRCODE\",\"qrcode\":\"data:…\"}", HEALTH_ILL, 30, "paired"},
    {"waits for its pairing code", &gateway_wppconnect, 0, 200, "{\"status\":\"PHONECODE\"}", HEALTH_ILL, 30, "paired"},
    {"another state", &gateway_wppconnect, 0, 200, "{\"status\":\"BROKEN\"}", HEALTH_ILL, WAIT_BY_BACKOFF, "neither"},
    {"no state", &gateway_wppconnect, 0, 200, "{}", HEALTH_UNKNOWN, WAIT_BY_BACKOFF, "can't be understood"},
    {"a state that is no text", &gateway_wppconnect, 0, 200, "{\"status\":7}", HEALTH_UNKNOWN, WAIT_BY_BACKOFF, "can't be understood"},
    {"a page", &gateway_wppconnect, 0, 200, "<html>", HEALTH_UNKNOWN, WAIT_BY_BACKOFF, "can't be understood"},
    {"a bad token", &gateway_wppconnect, 0, 401, "{\"error\":\"Check that the Session and Token are correct\"}", HEALTH_ILL, 60, "token"},
    {"no such page", &gateway_wppconnect, 0, 404, "<html>", HEALTH_ILL, 60, "base_url"},
    {"an error", &gateway_wppconnect, 0, 500, "{}", HEALTH_UNKNOWN, WAIT_BY_BACKOFF, "could not do it"},
    {"started", &gateway_wppconnect, 1, 200, "{\"status\":\"CLOSED\",\"qrcode\":null}", HEALTH_ILL, 5, "started again"},
    {"not started", &gateway_wppconnect, 1, 401, "{}", HEALTH_ILL, 60, "token"},
    {"webjs: connected", &gateway_webjs, 0, 200, "{\"success\":true,\"state\":\"CONNECTED\",\"message\":\"session_connected\"}", HEALTH_WELL, 0, NULL},
    {"webjs: not found", &gateway_webjs, 0, 200, "{\"success\":false,\"state\":null,\"message\":\"session_not_found\"}", HEALTH_GO_ON, 0, NULL},
    {"webjs: closed", &gateway_webjs, 0, 200, "{\"success\":false,\"state\":null,\"message\":\"session closed\"}", HEALTH_GO_ON, 0, NULL},
    {"webjs: its tab closed", &gateway_webjs, 0, 200, "{\"success\":false,\"message\":\"browser tab closed\"}", HEALTH_GO_ON, 0, NULL},
    {"webjs: opening", &gateway_webjs, 0, 200, "{\"success\":false,\"state\":\"OPENING\",\"message\":\"session_not_connected\"}", HEALTH_ILL, 5, "being started"},
    {"webjs: not paired", &gateway_webjs, 0, 200, "{\"success\":false,\"state\":\"UNPAIRED_IDLE\",\"message\":\"session_not_connected\"}", HEALTH_ILL, 30, "paired"},
    {"webjs: not connected", &gateway_webjs, 0, 200, "{\"success\":false,\"state\":null,\"message\":\"session_not_connected\"}", HEALTH_ILL, WAIT_BY_BACKOFF, "waits to be paired"},
    {"webjs: a state that is no text", &gateway_webjs, 0, 200, "{\"success\":false,\"state\":{},\"message\":[]}", HEALTH_UNKNOWN, WAIT_BY_BACKOFF, "can't be understood"},
    {"webjs: a page", &gateway_webjs, 0, 200, "<html>", HEALTH_UNKNOWN, WAIT_BY_BACKOFF, "can't be understood"},
    {"webjs: a bad key", &gateway_webjs, 0, 403, "{\"success\":false,\"error\":\"Invalid API key\"}", HEALTH_ILL, 60, "API key"},
    {"webjs: a bad name", &gateway_webjs, 0, 422, "{\"success\":false,\"error\":\"Session should be alphanumerical or -\"}", HEALTH_ILL, 60, "account.session"},
    {"webjs: an error", &gateway_webjs, 0, 500, "{\"success\":false,\"error\":\"" SECRET "\"}", HEALTH_UNKNOWN, WAIT_BY_BACKOFF, "could not do it"},
    {"webjs: started", &gateway_webjs, 1, 200, "{\"success\":true,\"message\":\"Session initiated successfully\"}", HEALTH_ILL, 5, "started again"},
    {"webjs: not started", &gateway_webjs, 1, 200, "{\"success\":false}", HEALTH_UNKNOWN, WAIT_BY_BACKOFF, "can't be understood"},
    {"webjs: it is there, and its browser is not", &gateway_webjs, 1, 422, "{\"success\":false,\"error\":\"Session already exists for: alerts\"}", HEALTH_GO_ON, 0, NULL},
    {"webjs: no Chrome", &gateway_webjs, 1, 422, "{\"success\":false,\"error\":\"Could not find Chrome\"}", HEALTH_ILL, 60, "Could not find Chrome"},
    {"webjs: restarted", &gateway_webjs, 2, 200, "{\"success\":true,\"message\":\"Restarted successfully\"}", HEALTH_ILL, 5, "started again"},
    {"waha: working", &gateway_waha, 0, 200, "{\"name\":\"alerts\",\"status\":\"WORKING\"}", HEALTH_WELL, 0, NULL},
    {"waha: stopped", &gateway_waha, 0, 200, "{\"status\":\"STOPPED\"}", HEALTH_GO_ON, 0, NULL},
    {"waha: failed", &gateway_waha, 0, 200, "{\"status\":\"FAILED\"}", HEALTH_GO_ON, 0, NULL},
    {"waha: starting", &gateway_waha, 0, 200, "{\"status\":\"STARTING\"}", HEALTH_ILL, 5, "being started"},
    {"waha: waits for its QR code", &gateway_waha, 0, 200, "{\"status\":\"SCAN_QR_CODE\"}", HEALTH_ILL, 30, "paired"},
    {"waha: waits for a passkey", &gateway_waha, 0, 200, "{\"status\":\"PASSKEY_REQUIRED\"}", HEALTH_ILL, WAIT_BY_BACKOFF, "passkey"},
    {"waha: waits for a passkey's confirmation", &gateway_waha, 0, 200, "{\"status\":\"PASSKEY_CONFIRMATION_REQUIRED\"}", HEALTH_ILL, WAIT_BY_BACKOFF, "passkey"},
    {"waha: another state", &gateway_waha, 0, 200, "{\"status\":\"BROKEN\"}", HEALTH_ILL, WAIT_BY_BACKOFF, "neither"},
    {"waha: no state", &gateway_waha, 0, 200, "{\"status\":null}", HEALTH_UNKNOWN, WAIT_BY_BACKOFF, "can't be understood"},
    {"waha: a page", &gateway_waha, 0, 200, "<html>", HEALTH_UNKNOWN, WAIT_BY_BACKOFF, "can't be understood"},
    {"waha: a bad key", &gateway_waha, 0, 401, "{\"statusCode\":401,\"message\":\"Unauthorized\"}", HEALTH_ILL, 60, "API key"},
    {"waha: no such session", &gateway_waha, 0, 404, "{\"statusCode\":404,\"message\":\"Session not found\",\"error\":\"Not Found\"}", HEALTH_ILL, WAIT_BY_BACKOFF, "Session not found"},
    {"waha: an error", &gateway_waha, 0, 500, "{\"statusCode\":500}", HEALTH_UNKNOWN, WAIT_BY_BACKOFF, "could not do it"},
    {"waha: started", &gateway_waha, 1, 201, "{\"status\":\"STARTING\"}", HEALTH_ILL, 5, "started again"},
    {"waha: started, and paired is to be", &gateway_waha, 1, 201, "{\"status\":\"SCAN_QR_CODE\"}", HEALTH_ILL, 30, "paired"},
    {"waha: started at once", &gateway_waha, 1, 201, "{\"status\":\"WORKING\"}", HEALTH_WELL, 0, NULL},
    {"waha: not started, as what failed counts as running", &gateway_waha, 1, 201, "{\"status\":\"FAILED\"}", HEALTH_GO_ON, 0, NULL},
    {"waha: not started", &gateway_waha, 1, 422, "{\"statusCode\":422,\"message\":\"No\"}", HEALTH_UNKNOWN, WAIT_BY_BACKOFF, "No"},
    {"waha: restarted", &gateway_waha, 2, 201, "{\"status\":\"FAILED\"}", HEALTH_ILL, 5, "started again"},
    {"evolution: open", &gateway_evolution, 0, 200, "{\"instance\":{\"instanceName\":\"alerts\",\"state\":\"open\"}}", HEALTH_WELL, 0, NULL},
    {"evolution: closed", &gateway_evolution, 0, 200, "{\"instance\":{\"state\":\"close\"}}", HEALTH_GO_ON, 0, NULL},
    {"evolution: connecting", &gateway_evolution, 0, 200, "{\"instance\":{\"state\":\"connecting\"}}", HEALTH_ILL, WAIT_BY_BACKOFF, "QR code"},
    {"evolution: another state", &gateway_evolution, 0, 200, "{\"instance\":{\"state\":\"refused\"}}", HEALTH_ILL, WAIT_BY_BACKOFF, "neither"},
    {"evolution: no state", &gateway_evolution, 0, 200, "{\"instance\":{\"instanceName\":\"alerts\"}}", HEALTH_UNKNOWN, WAIT_BY_BACKOFF, "can't be understood"},
    {"evolution: a page", &gateway_evolution, 0, 200, "<html>", HEALTH_UNKNOWN, WAIT_BY_BACKOFF, "can't be understood"},
    {"evolution: a bad key", &gateway_evolution, 0, 401, "{\"status\":401,\"error\":\"Unauthorized\",\"response\":{\"message\":\"Unauthorized\"}}", HEALTH_ILL, 60, "API key"},
    {"evolution: no such instance", &gateway_evolution, 0, 404, "{\"status\":404,\"error\":\"Not Found\",\"response\":{\"message\":[\"The \\\"alerts\\\" instance does not exist\"]}}", HEALTH_ILL, 60, "account.instance"},
    {"evolution: an error", &gateway_evolution, 0, 500, "{\"status\":500}", HEALTH_UNKNOWN, WAIT_BY_BACKOFF, "could not do it"},
    {"evolution: it connects", &gateway_evolution, 1, 200, "{\"count\":0}", HEALTH_ILL, 5, "started again"},
    {"evolution: it wants to be paired", &gateway_evolution, 1, 200, "{\"pairingCode\":null,\"code\":\"2@x\",\"base64\":\"data:…\",\"count\":1}", HEALTH_ILL, 30, "paired"},
    {"evolution: it does not connect", &gateway_evolution, 1, 200, "{\"error\":true,\"message\":\"[object Object] " SECRET "\"}", HEALTH_UNKNOWN, WAIT_BY_BACKOFF, "[object Object]"},
    {"the number", &gateway_cloud, 0, 200, "{\"id\":\"106540352242922\"}", HEALTH_WELL, 0, NULL},
    {"an expired token", &gateway_cloud, 0, 401, "{\"error\":{\"message\":\"Expired " SECRET "\",\"code\":190}}", HEALTH_ILL, 60, "token"},
    {"no such number", &gateway_cloud, 0, 400, "{\"error\":{\"message\":\"No\",\"code\":100,\"error_subcode\":33}}", HEALTH_ILL, 600, "phone"},
    {"a parameter that it does not know", &gateway_cloud, 0, 400, "{\"error\":{\"message\":\"No\",\"code\":100}}", HEALTH_UNKNOWN, WAIT_BY_BACKOFF, "No"},
    {"a hiccup", &gateway_cloud, 0, 500, "{\"error\":{\"message\":\"No\",\"code\":131000}}", HEALTH_UNKNOWN, WAIT_BY_BACKOFF, "No"},
    {"a throttle", &gateway_cloud, 0, 429, "{\"error\":{\"message\":\"No\",\"code\":4}}", HEALTH_ILL, 300, "No"},
};

static const struct asked *find(const struct gateway *gateway) {
    const struct asked *a = gateways;

    while (a->gateway != gateway)
        a++;
    return a;
}

static void test_answer(void **state) {
    const struct health_row *row = *state;
    _cleanup_(json_freep) struct json *doc = parsed(find(row->gateway)->account);
    struct sender sender = {.name = "main", .base_url = "http://127.0.0.1:1", .account = json_root(doc), .secret = SECRET};
    struct reply reply = reply_of(row->status, row->body);
    struct health health;

    health_from_reply(row->gateway, &sender, PURPOSE_HEALTH, row->step, &reply, &health);
    if (health.kind != row->kind || health.wait_sec != row->wait_sec)
        fail_msg("%d after %lld s, not %d after %lld s: %s", health.kind, (long long) health.wait_sec, row->kind,
                 (long long) row->wait_sec, health.reason);
    if (row->reason_holds ? !strstr(health.reason, row->reason_holds) : health.reason[0] != '\0')
        fail_msg("the reason is: %s", health.reason);
    assert_null(strstr(health.reason, SECRET));
    if (row->kind == HEALTH_GO_ON)
        assert_int_equal(health.next_step, row->step + 1);
}

static void test_out_of_reach(_unused_ void **state) {
    _cleanup_(json_freep) struct json *doc = parsed(SESSION);
    struct sender sender = {.name = "main", .base_url = "http://127.0.0.1:1", .account = json_root(doc), .secret = SECRET};
    static const enum reply_kind kinds[] = {REPLY_UNSENT, REPLY_UNKNOWN};
    struct health health;

    for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
        struct reply reply = {.kind = kinds[i], .reason = "connection refused for " SECRET};

        health_from_reply(&gateway_wppconnect, &sender, PURPOSE_HEALTH, 0, &reply, &health);
        assert_int_equal(health.kind, HEALTH_ILL);
        assert_int_equal(health.wait_sec, WAIT_BY_BACKOFF);
        assert_non_null(strstr(health.reason, "connection refused"));
        assert_null(strstr(health.reason, SECRET));
    }
}

static void assert_asks(const struct gateway *gateway, unsigned step, const char *method, const char *url, const char *body) {
    _cleanup_(json_freep) struct json *doc = parsed(find(gateway)->account);
    struct sender sender = {.name = "main", .base_url = "http://127.0.0.1:1/x", .account = json_root(doc), .secret = SECRET};
    struct request request;

    request_init(&request);
    assert_int_equal(gateway->ask(&sender, PURPOSE_HEALTH, step, &request), 0);
    assert_string_equal(request.method, method);
    assert_string_equal(buf_string(&request.url), url);
    assert_string_equal(buf_string(&request.body), body);
    assert_string_equal(header_of(&request, find(gateway)->header), find(gateway)->credential);
    assert_int_equal(header_of(&request, "Content-Type") != NULL, strcmp(method, "POST") == 0);
    request_done(&request);
    sender.secret = NULL;
    request_init(&request);
    assert_int_equal(gateway->ask(&sender, PURPOSE_HEALTH, step, &request), find(gateway)->is_open ? 0 : -EINVAL);
    request_done(&request);
}

/* A step that a gateway does not have is no question. */
static void test_no_such_step(_unused_ void **state) {
    static const struct gateway *const some[] = {&gateway_evolution, &gateway_wppconnect, &gateway_waha};
    static const unsigned steps[] = {2, 2, 6};

    for (size_t i = 0; i < ELEMENTSOF(some); i++) {
        _cleanup_(json_freep) struct json *doc = parsed(find(some[i])->account);
        struct sender sender = {.name = "main", .base_url = "http://127.0.0.1:1", .account = json_root(doc), .secret = SECRET};
        struct request request;

        request_init(&request);
        assert_int_equal(some[i]->ask(&sender, PURPOSE_HEALTH, steps[i], &request), -EINVAL);
        assert_string_equal(buf_string(&request.url), "");
        request_done(&request);
    }
}

static void test_questions(_unused_ void **state) {
    assert_asks(&gateway_wppconnect, 0, "GET", "http://127.0.0.1:1/x/api/alerts/status-session", "");
    assert_asks(&gateway_wppconnect, 1, "POST", "http://127.0.0.1:1/x/api/alerts/start-session", "{}");
    assert_asks(&gateway_evolution, 0, "GET", "http://127.0.0.1:1/x/instance/connectionState/alerts", "");
    assert_asks(&gateway_evolution, 1, "GET", "http://127.0.0.1:1/x/instance/connect/alerts", "");
    assert_asks(&gateway_waha, 0, "GET", "http://127.0.0.1:1/x/api/sessions/alerts", "");
    assert_asks(&gateway_waha, 1, "POST", "http://127.0.0.1:1/x/api/sessions/alerts/start", "{}");
    assert_asks(&gateway_waha, 2, "POST", "http://127.0.0.1:1/x/api/sessions/alerts/restart", "{}");
    assert_asks(&gateway_webjs, 0, "GET", "http://127.0.0.1:1/x/session/status/alerts", "");
    assert_asks(&gateway_webjs, 1, "GET", "http://127.0.0.1:1/x/session/start/alerts", "");
    assert_asks(&gateway_webjs, 2, "GET", "http://127.0.0.1:1/x/session/restart/alerts", "");
    assert_asks(&gateway_cloud, 0, "GET", "http://127.0.0.1:1/x/v25.0/106540352242922?fields=id", "");
}

int main(void) {
    static const struct CMUnitTest others[] = {cmocka_unit_test(test_out_of_reach), cmocka_unit_test(test_questions),
                                              cmocka_unit_test(test_no_such_step)};
    static struct CMUnitTest tests[ELEMENTSOF(rows) + ELEMENTSOF(others)];

    for (size_t i = 0; i < ELEMENTSOF(rows); i++)
        tests[i] = (struct CMUnitTest) {.name = rows[i].name, .test_func = test_answer, .initial_state = (void *) &rows[i]};
    memcpy(tests + ELEMENTSOF(rows), others, sizeof(others));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
