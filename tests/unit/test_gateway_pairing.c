/* How the sessions of WhatsApp Web are paired and logged out: what each server is told in each step, and what its answers mean. */
#include "gateway_fixture.h"

#include <errno.h>

#define CODE "2@w1XyZ0abcDEF+/ghiJKL==,AbCdEfGhIjKlMnOpQrStUv0123456789=,KlMnOpQrStUv0123456789AbCdEfGhIj=,x"

/* The steps, as a dialect has them (gateway/session.h). */
enum { STATUS, START, RESTART, CREATE, CODE_STEP, LOGOUT };

static const struct asked {
    const struct gateway *gateway;
    const char *account;
} gateways[] = {
    {&gateway_evolution, "{\"instance\":\"my \\\"alerts\\\"\"}"},
    {&gateway_waha, "{\"session\":\"my \\\"alerts\\\"\"}"},
    {&gateway_webjs, "{\"session\":\"alerts\"}"},
    {&gateway_wppconnect, "{\"session\":\"alerts\"}"},
};

struct row {
    const char *name;
    const struct gateway *gateway;
    enum purpose purpose;
    unsigned step;
    int status;
    const char *body;
    enum health_kind kind;
    unsigned next_step;
    const char *reason_holds; /* or NULL: none */
};

#define PAIR(gateway, step) &gateway_##gateway, PURPOSE_PAIR, step
#define UNPAIR(gateway) &gateway_##gateway, PURPOSE_UNPAIR, 0
#define CODE_COMES HEALTH_CODE, 0, "waits to be scanned"
#define DONE HEALTH_WELL, 0, NULL
#define THEN(step) HEALTH_GO_ON, step, NULL
#define STARTING HEALTH_ILL, 0, "being started"
#define AS_IMAGE HEALTH_ILL, 0, "as an image"
#define NOT_THERE HEALTH_ILL, 0, "no QR code yet"
#define SENSELESS HEALTH_UNKNOWN, 0, "an answer that can't be understood (HTTP 200)"
#define REFUSED(what) HEALTH_UNKNOWN, 0, "the gateway could not do it (HTTP 500)" what
#define EVOLUTION_FAILURE(status, message) "{\"status\":" status ",\"error\":\"Bad Request\",\"response\":{\"message\":[\"" message "\"]}}"

static const struct row rows[] = {
    {"wppconnect: connected", PAIR(wppconnect, STATUS), 200, "{\"status\":\"CONNECTED\",\"qrcode\":\"data:x\",\"urlcode\":\"" CODE "\"}", DONE},
    {"wppconnect: closed", PAIR(wppconnect, STATUS), 200, "{\"status\":\"CLOSED\",\"qrcode\":null}", THEN(START)},
    {"wppconnect: never started", PAIR(wppconnect, STATUS), 200, "{\"status\":null}", THEN(START)},
    {"wppconnect: starting", PAIR(wppconnect, STATUS), 200, "{\"status\":\"INITIALIZING\",\"qrcode\":null}", STARTING},
    {"wppconnect: waits", PAIR(wppconnect, STATUS), 200, "{\"status\":\"QRCODE\",\"qrcode\":\"data:image/png;base64,iVBO\",\"urlcode\":\"" CODE "\"}", CODE_COMES},
    {"wppconnect: an older one", PAIR(wppconnect, STATUS), 200, "{\"status\":\"QRCODE\",\"qrcode\":\"data:image/png;base64,iVBO\"}", AS_IMAGE},
    {"wppconnect: the image as code", PAIR(wppconnect, STATUS), 200, "{\"status\":\"QRCODE\",\"urlcode\":\"data:image/png;base64,iVBO\"}", AS_IMAGE},
    {"wppconnect: waits without a code", PAIR(wppconnect, STATUS), 200, "{\"status\":\"QRCODE\",\"qrcode\":null}", NOT_THERE},
    {"wppconnect: its code is empty", PAIR(wppconnect, STATUS), 200, "{\"status\":\"QRCODE\",\"urlcode\":\"\"}", NOT_THERE},
    {"wppconnect: its code is a number", PAIR(wppconnect, STATUS), 200, "{\"status\":\"QRCODE\",\"urlcode\":7}", HEALTH_ILL, 0, "not a text"},
    {"wppconnect: its code is an object", PAIR(wppconnect, STATUS), 200, "{\"status\":\"QRCODE\",\"urlcode\":{\"a\":\"" CODE "\"}}", HEALTH_ILL, 0, "not a text"},
    {"wppconnect: its code has a line end", PAIR(wppconnect, STATUS), 200, "{\"status\":\"QRCODE\",\"urlcode\":\"" CODE "\\n\"}", HEALTH_ILL, 0, "characters"},
    {"wppconnect: its code has an escape", PAIR(wppconnect, STATUS), 200, "{\"status\":\"QRCODE\",\"urlcode\":\"" CODE "\\u001b[2J\"}", HEALTH_ILL, 0, "characters"},
    {"wppconnect: its code has a NUL", PAIR(wppconnect, STATUS), 200, "{\"status\":\"QRCODE\",\"urlcode\":\"" CODE "\\u0000\"}", HEALTH_ILL, 0, "characters"},
    {"wppconnect: its code is not ASCII", PAIR(wppconnect, STATUS), 200, "{\"status\":\"QRCODE\",\"urlcode\":\"" CODE "é\"}", HEALTH_ILL, 0, "characters"},
    {"wppconnect: waits for a code of the telephone", PAIR(wppconnect, STATUS), 200, "{\"status\":\"PHONECODE\"}", HEALTH_ILL, 0, "typed"},
    {"wppconnect: another state", PAIR(wppconnect, STATUS), 200, "{\"status\":\"BROKEN\"}", HEALTH_ILL, 0, "neither"},
    {"wppconnect: a state that is no text", PAIR(wppconnect, STATUS), 200, "{\"status\":7,\"message\":\"" CODE "\"}", SENSELESS},
    {"wppconnect: a page", PAIR(wppconnect, STATUS), 200, "<html>" CODE, SENSELESS},
    {"wppconnect: plain text", PAIR(wppconnect, STATUS), 200, CODE, SENSELESS},
    {"wppconnect: nothing", PAIR(wppconnect, STATUS), 200, "", SENSELESS},
    {"wppconnect: a bad token", PAIR(wppconnect, STATUS), 401, "{\"error\":\"Check that the Session and Token are correct\"}", HEALTH_ILL, 0, "token"},
    {"wppconnect: no such page", PAIR(wppconnect, STATUS), 404, "<html>", HEALTH_ILL, 0, "base_url"},
    {"wppconnect: an error", PAIR(wppconnect, START), 500, "{\"message\":\"Boom " SECRET "\"}", REFUSED(": Boom")},
    {"wppconnect: started", PAIR(wppconnect, START), 200, "{\"status\":\"CLOSED\",\"qrcode\":null}", STARTING},
    {"wppconnect: logged out", UNPAIR(wppconnect), 200, "{\"status\":true,\"message\":\"Session successfully closed\"}", DONE},
    {"wppconnect: was not connected", UNPAIR(wppconnect), 404, "{\"response\":null,\"status\":\"Disconnected\",\"message\":\"A sessão …\"}", DONE},
    {"wppconnect: not logged out", UNPAIR(wppconnect), 500, "{\"status\":false,\"message\":\"Error closing session\",\"error\":{}}", REFUSED(": Error closing")},
    {"wppconnect: not logged out, though 200", UNPAIR(wppconnect), 200, "{\"status\":false,\"message\":\"Oh\"}", HEALTH_UNKNOWN, 0, "(HTTP 200): Oh"},
    {"wppconnect: a status that is a text", UNPAIR(wppconnect), 200, "{\"status\":\"true\"}", SENSELESS},
    {"wppconnect: no page to log out at", UNPAIR(wppconnect), 404, "<html>", HEALTH_ILL, 0, "base_url"},
    {"wppconnect: may not log out", UNPAIR(wppconnect), 401, "{\"error\":\"Check\"}", HEALTH_ILL, 0, "token"},

    {"webjs: connected", PAIR(webjs, STATUS), 200, "{\"success\":true,\"state\":\"CONNECTED\",\"message\":\"session_connected\"}", DONE},
    {"webjs: not found", PAIR(webjs, STATUS), 200, "{\"success\":false,\"state\":null,\"message\":\"session_not_found\"}", THEN(START)},
    {"webjs: its tab closed", PAIR(webjs, STATUS), 200, "{\"success\":false,\"message\":\"browser tab closed\"}", THEN(START)},
    {"webjs: not connected", PAIR(webjs, STATUS), 200, "{\"success\":false,\"state\":null,\"message\":\"session_not_connected\"}", THEN(CODE_STEP)},
    {"webjs: opening", PAIR(webjs, STATUS), 200, "{\"success\":false,\"state\":\"OPENING\",\"message\":\"session_not_connected\"}", THEN(CODE_STEP)},
    {"webjs: it says nothing", PAIR(webjs, STATUS), 200, "{\"success\":false}", SENSELESS},
    {"webjs: started", PAIR(webjs, START), 200, "{\"success\":true,\"message\":\"Session initiated successfully\"}", STARTING},
    {"webjs: it is there, and its browser is not", PAIR(webjs, START), 422, "{\"success\":false,\"error\":\"Session already exists for: alerts\"}", THEN(RESTART)},
    {"webjs: no Chrome", PAIR(webjs, START), 422, "{\"success\":false,\"error\":\"Could not find Chrome\"}", HEALTH_ILL, 0, "Could not find Chrome"},
    {"webjs: it failed to start", PAIR(webjs, START), 500, "{\"success\":false,\"error\":\"Failed to launch\"}", REFUSED(": Failed to launch")},
    {"webjs: restarted", PAIR(webjs, RESTART), 200, "{\"success\":true,\"message\":\"Restarted successfully\"}", STARTING},
    {"webjs: not restarted", PAIR(webjs, RESTART), 200, "{\"success\":false,\"message\":\"session_not_found\"}", SENSELESS},
    {"webjs: the code", PAIR(webjs, CODE_STEP), 200, "{\"success\":true,\"qr\":\"" CODE "\"}", CODE_COMES},
    {"webjs: no code yet", PAIR(webjs, CODE_STEP), 200, "{\"success\":false,\"message\":\"qr code not ready or already scanned\"}", HEALTH_ILL, 0, "no QR code yet, or it was scanned"},
    {"webjs: a code that is a list", PAIR(webjs, CODE_STEP), 200, "{\"success\":true,\"qr\":[\"" CODE "\"]}", HEALTH_ILL, 0, "not a text"},
    {"webjs: a success without a code", PAIR(webjs, CODE_STEP), 200, "{\"success\":true}", NOT_THERE},
    {"webjs: a code elsewhere", PAIR(webjs, CODE_STEP), 200, "{\"success\":false,\"error\":\"" CODE "\"}", SENSELESS},
    {"webjs: a bad key", PAIR(webjs, CODE_STEP), 403, "{\"success\":false,\"error\":\"Invalid API key\"}", HEALTH_ILL, 0, "API key"},
    {"webjs: logged out", UNPAIR(webjs), 200, "{\"success\":true,\"message\":\"Logged out successfully\"}", DONE},
    {"webjs: was not there", UNPAIR(webjs), 200, "{\"success\":false,\"state\":null,\"message\":\"session_not_found\"}", DONE},
    {"webjs: another failure", UNPAIR(webjs), 200, "{\"success\":false,\"message\":\"Oh\"}", HEALTH_UNKNOWN, 0, "(HTTP 200): Oh"},
    {"webjs: not logged out", UNPAIR(webjs), 500, "{\"success\":false,\"error\":\"Target closed " SECRET "\"}", REFUSED(": Target closed")},
    {"webjs: no page to log out at", UNPAIR(webjs), 404, "<html>", HEALTH_ILL, 0, "base_url"},

    {"waha: working", PAIR(waha, STATUS), 200, "{\"name\":\"x\",\"status\":\"WORKING\"}", DONE},
    {"waha: not there", PAIR(waha, STATUS), 404, "{\"statusCode\":404,\"message\":\"Session not found\",\"error\":\"Not Found\"}", THEN(CREATE)},
    {"waha: no such path", PAIR(waha, STATUS), 404, "{\"statusCode\":404,\"message\":\"Cannot GET /api/sessions/x\"}", HEALTH_ILL, 0, "base_url"},
    {"waha: stopped", PAIR(waha, STATUS), 200, "{\"status\":\"STOPPED\"}", THEN(START)},
    {"waha: failed", PAIR(waha, STATUS), 200, "{\"status\":\"FAILED\"}", THEN(LOGOUT)},
    {"waha: starting", PAIR(waha, STATUS), 200, "{\"status\":\"STARTING\"}", STARTING},
    {"waha: waits", PAIR(waha, STATUS), 200, "{\"status\":\"SCAN_QR_CODE\"}", THEN(CODE_STEP)},
    {"waha: a passkey", PAIR(waha, STATUS), 200, "{\"status\":\"PASSKEY_REQUIRED\"}", HEALTH_ILL, 0, "passkey"},
    {"waha: another state", PAIR(waha, STATUS), 200, "{\"status\":\"BROKEN\"}", HEALTH_ILL, 0, "neither"},
    {"waha: created", PAIR(waha, CREATE), 201, "{\"name\":\"x\",\"status\":\"STARTING\"}", STARTING},
    {"waha: created, and waits at once", PAIR(waha, CREATE), 201, "{\"name\":\"x\",\"status\":\"SCAN_QR_CODE\"}", THEN(CODE_STEP)},
    {"waha: not created", PAIR(waha, CREATE), 422, "{\"statusCode\":422,\"message\":\"WAHA Core support only 'default' session.\"}", HEALTH_ILL, 0, "one session"},
    {"waha: started", PAIR(waha, START), 201, "{\"status\":\"STARTING\"}", STARTING},
    {"waha: started, and failed", PAIR(waha, START), 201, "{\"status\":\"FAILED\"}", THEN(LOGOUT)},
    {"waha: still stopped", PAIR(waha, START), 201, "{\"status\":\"STOPPED\"}", STARTING},
    {"waha: begun anew", PAIR(waha, LOGOUT), 201, "{\"status\":\"STARTING\"}", STARTING},
    {"waha: not begun anew", PAIR(waha, LOGOUT), 201, "{\"status\":\"FAILED\"}", STARTING},
    {"waha: the code", PAIR(waha, CODE_STEP), 200, "{\"value\":\"" CODE "\"}", CODE_COMES},
    {"waha: the picture", PAIR(waha, CODE_STEP), 200, "{\"mimetype\":\"image/png\",\"data\":\"iVBO\"}", AS_IMAGE},
    {"waha: no value", PAIR(waha, CODE_STEP), 200, "{}", NOT_THERE},
    {"waha: a value that is null", PAIR(waha, CODE_STEP), 200, "{\"value\":null}", NOT_THERE},
    {"waha: a picture's bytes", PAIR(waha, CODE_STEP), 200, "\x89PNG\r\n", SENSELESS},
    {"waha: no code yet", PAIR(waha, CODE_STEP), 422, "{\"error\":\"Session status is not as expected\",\"status\":\"STARTING\"}", HEALTH_ILL, 0, "no QR code yet, or it was scanned"},
    {"waha: a bad key", PAIR(waha, CODE_STEP), 401, "{\"statusCode\":401}", HEALTH_ILL, 0, "API key"},
    {"waha: logged out", UNPAIR(waha), 201, "{\"name\":\"x\",\"status\":\"STARTING\"}", DONE},
    {"waha: was stopped", UNPAIR(waha), 201, "{\"name\":\"x\",\"status\":\"STOPPED\"}", DONE},
    {"waha: was not there", UNPAIR(waha), 404, "{\"statusCode\":404,\"message\":\"Session not found\",\"error\":\"Not Found\"}", DONE},
    {"waha: no page to log out at", UNPAIR(waha), 404, "{\"statusCode\":404,\"message\":\"Cannot POST /api/sessions/x/logout\"}", HEALTH_ILL, 0, "base_url"},
    {"waha: not logged out", UNPAIR(waha), 500, "{\"statusCode\":500,\"exception\":{\"message\":\"Boom\"}}", REFUSED(": Boom")},
    {"waha: an empty answer", UNPAIR(waha), 201, "", HEALTH_UNKNOWN, 0, "(HTTP 201)"},

    {"evolution: open", PAIR(evolution, STATUS), 200, "{\"instance\":{\"state\":\"open\"}}", DONE},
    {"evolution: closed", PAIR(evolution, STATUS), 200, "{\"instance\":{\"state\":\"close\"}}", THEN(START)},
    {"evolution: connecting", PAIR(evolution, STATUS), 200, "{\"instance\":{\"state\":\"connecting\"}}", THEN(START)},
    {"evolution: not loaded", PAIR(evolution, STATUS), 200, "{\"instance\":{\"instanceName\":\"x\"}}", THEN(START)},
    {"evolution: not there", PAIR(evolution, STATUS), 404, EVOLUTION_FAILURE("404", "The \\\"x\\\" instance does not exist"), THEN(CREATE)},
    {"evolution: no such path", PAIR(evolution, STATUS), 404, EVOLUTION_FAILURE("404", "Cannot GET /x"), HEALTH_ILL, 0, "base_url"},
    {"evolution: a page", PAIR(evolution, STATUS), 200, "<html>", SENSELESS},
    {"evolution: created", PAIR(evolution, CREATE), 201, "{\"instance\":{\"instanceName\":\"x\",\"status\":\"close\"},\"hash\":\"0A1B\"}", THEN(START)},
    {"evolution: not its to create", PAIR(evolution, CREATE), 401, "{\"status\":401,\"error\":\"Unauthorized\",\"response\":{\"message\":\"Unauthorized\"}}", HEALTH_ILL, 0, "only the server's own API key"},
    {"evolution: in use", PAIR(evolution, CREATE), 403, EVOLUTION_FAILURE("403", "This name \\\"x\\\" is already in use."), HEALTH_ILL, 0, "already in use"},
    {"evolution: the code", PAIR(evolution, START), 200, "{\"pairingCode\":null,\"code\":\"" CODE "\",\"base64\":\"data:image/png;base64,iVBO\",\"count\":1}", CODE_COMES},
    {"evolution: no code yet", PAIR(evolution, START), 200, "{\"count\":0}", NOT_THERE},
    {"evolution: the picture only", PAIR(evolution, START), 200, "{\"base64\":\"data:image/png;base64,iVBO\",\"count\":1}", AS_IMAGE},
    {"evolution: open meanwhile", PAIR(evolution, START), 200, "{\"instance\":{\"instanceName\":\"x\",\"state\":\"open\"}}", DONE},
    {"evolution: it does not connect", PAIR(evolution, START), 200, "{\"error\":true,\"message\":\"" CODE "\"}", HEALTH_ILL, 0, "could not connect the instance"},
    {"evolution: a bad key", PAIR(evolution, START), 401, "{\"status\":401}", HEALTH_ILL, 0, "API key"},
    {"evolution: logged out", UNPAIR(evolution), 200, "{\"status\":\"SUCCESS\",\"error\":false,\"response\":{\"message\":\"Instance logged out\"}}", DONE},
    {"evolution: was not connected", UNPAIR(evolution), 400, EVOLUTION_FAILURE("400", "The \\\"x\\\" instance is not connected"), DONE},
    {"evolution: was not there", UNPAIR(evolution), 404, EVOLUTION_FAILURE("404", "The \\\"x\\\" instance does not exist"), DONE},
    {"evolution: an error that is called a success", UNPAIR(evolution), 200, "{\"error\":true,\"message\":\"Oh\"}", HEALTH_UNKNOWN, 0, "(HTTP 200): Oh"},
    {"evolution: not logged out", UNPAIR(evolution), 500, EVOLUTION_FAILURE("500", "Error: Timed Out"), REFUSED(": Error: Timed Out")},
    {"evolution: another 400", UNPAIR(evolution), 400, EVOLUTION_FAILURE("400", "Oh"), HEALTH_UNKNOWN, 0, "could not do it (HTTP 400): Oh"},
    {"evolution: no page to log out at", UNPAIR(evolution), 404, EVOLUTION_FAILURE("404", "Cannot DELETE /x"), HEALTH_ILL, 0, "base_url"},
};

static const char *account_of(const struct gateway *gateway) {
    const struct asked *a = gateways;

    while (a->gateway != gateway)
        a++;
    return a->account;
}

static void hear(const struct gateway *gateway, enum purpose purpose, unsigned step, const struct reply *reply, struct health *ret) {
    _cleanup_(json_freep) struct json *doc = parsed(account_of(gateway));
    struct sender sender = {.name = "main", .base_url = "http://127.0.0.1:1", .account = json_root(doc), .secret = SECRET};

    memset(ret, 0xa5, sizeof(*ret));
    health_from_reply(gateway, &sender, purpose, step, reply, ret);
    assert_non_null(memchr(ret->reason, '\0', sizeof(ret->reason)));
    assert_non_null(memchr(ret->code, '\0', sizeof(ret->code)));
    assert_int_equal(ret->kind == HEALTH_CODE, ret->code[0] != '\0');
    assert_null(strstr(ret->reason, SECRET));
    assert_null(strstr(ret->reason, "2@w1XyZ0"));
}

static void test_answer(void **state) {
    const struct row *row = *state;
    struct reply reply = reply_of(row->status, row->body);
    struct health health;

    hear(row->gateway, row->purpose, row->step, &reply, &health);
    if (health.kind != row->kind || health.next_step != row->next_step)
        fail_msg("%d, then %u, not %d, then %u: %s", health.kind, health.next_step, row->kind, row->next_step, health.reason);
    if (row->reason_holds ? !strstr(health.reason, row->reason_holds) : health.reason[0] != '\0')
        fail_msg("the reason is: %s", health.reason);
    if (row->kind == HEALTH_CODE)
        assert_string_equal(health.code, CODE);
}

/* A code is taken up to its bound, and then no more. */
static void test_long_codes(_unused_ void **state) {
    static const struct {
        const struct gateway *gateway;
        unsigned step;
        const char *before;
    } answers[] = {
        {&gateway_wppconnect, STATUS, "{\"status\":\"QRCODE\",\"urlcode\":\""},
        {&gateway_webjs, CODE_STEP, "{\"success\":true,\"qr\":\""},
        {&gateway_waha, CODE_STEP, "{\"value\":\""},
        {&gateway_evolution, START, "{\"code\":\""},
    };
    static const size_t sizes[] = {HEALTH_CODE_BYTES - 1, HEALTH_CODE_BYTES, 100000, 1024 * 1024};

    for (size_t i = 0; i < ELEMENTSOF(answers); i++)
        for (size_t s = 0; s < ELEMENTSOF(sizes); s++) {
            _cleanup_(buf_done) struct buf body = BUF_MAX(2 * 1024 * 1024);
            struct reply reply;
            struct health health;

            (void) buf_append_string(&body, answers[i].before);
            for (size_t n = 0; n < sizes[s]; n++)
                (void) buf_append_char(&body, (char) ('a' + n % 26));
            (void) buf_append_string(&body, "\"}");
            reply = reply_bytes(200, buf_string(&body), body.size);
            hear(answers[i].gateway, PURPOSE_PAIR, answers[i].step, &reply, &health);
            assert_int_equal(health.kind, s == 0 ? HEALTH_CODE : HEALTH_ILL);
            if (s == 0)
                assert_int_equal(strlen(health.code), sizes[s]);
            else
                assert_non_null(strstr(health.reason, "longer than any"));
            assert_null(strstr(health.reason, "abcdef"));
        }
}

static void test_hostile_replies(_unused_ void **state) {
    static const char *const bodies[] = {"[]", "null", "\"\"", "[[]]", "{\"status\":[]}", "{\"instance\":[]}", "{\"qr\":{}}", "{\"code\":[]}", "\xff\xfe",
                                         "{\"status\":\"QRCODE\",\"urlcode\":\"\\ud800\"}", "{\"success\":\"true\",\"qr\":\"" CODE "\"}", "{\"message\":\"" CODE "\"}"};
    static const int statuses[] = {101, 200, 201, 204, 302, 400, 401, 404, 422, 429, 500, 503};

    for (size_t g = 0; g < ELEMENTSOF(gateways); g++)
        for (unsigned step = 0; step <= LOGOUT; step++)
            for (size_t b = 0; b < ELEMENTSOF(bodies); b++)
                for (size_t s = 0; s < ELEMENTSOF(statuses); s++) {
                    struct reply reply = reply_of(statuses[s], bodies[b]);
                    struct health health;

                    if (statuses[s] / 100 == 2 || !strstr(bodies[b], CODE)) /* a refusal's words are quoted, and have no code */
                        hear(gateways[g].gateway, PURPOSE_PAIR, step, &reply, &health);
                    if (strstr(bodies[b], CODE))
                        continue;
                    hear(gateways[g].gateway, PURPOSE_UNPAIR, 0, &reply, &health);
                    hear(gateways[g].gateway, PURPOSE_HEALTH, step % 3, &reply, &health);
                }
}

/* What is too long is cut off between characters. */
static void test_long_words(_unused_ void **state) {
    for (size_t padding = 0; padding < 4; padding++) {
        _cleanup_(buf_done) struct buf body = BUF_MAX(8192);
        struct reply reply;
        struct health health;

        (void) buf_printf(&body, "{\"message\":\"%.*s", (int) padding, "abc");
        for (size_t i = 0; i < 300; i++)
            (void) buf_append_string(&body, "€");
        (void) buf_append_string(&body, "\"}");
        reply = reply_of(500, buf_string(&body));
        hear(&gateway_webjs, PURPOSE_UNPAIR, 0, &reply, &health);
        assert_true(text_is_utf8(health.reason, strlen(health.reason)));
        assert_true(strlen(health.reason) > OUTCOME_REASON_BYTES - 8);
    }
}

static void test_out_of_reach(_unused_ void **state) {
    struct reply reply = {.kind = REPLY_UNSENT, .reason = "connection refused for " SECRET};
    struct health health;

    hear(&gateway_waha, PURPOSE_PAIR, STATUS, &reply, &health);
    assert_int_equal(health.kind, HEALTH_ILL);
    assert_non_null(strstr(health.reason, "asked to pair its session: connection refused"));
    hear(&gateway_waha, PURPOSE_UNPAIR, 0, &reply, &health);
    assert_int_equal(health.kind, HEALTH_ILL);
    assert_non_null(strstr(health.reason, "asked to log its session out: connection refused"));
}

static void assert_asks(const struct gateway *gateway, enum purpose purpose, unsigned step, const char *method, const char *url,
                        const char *body) {
    _cleanup_(json_freep) struct json *doc = parsed(account_of(gateway));
    struct sender sender = {.name = "main", .base_url = "http://127.0.0.1:1/x", .account = json_root(doc), .secret = SECRET};
    struct request request;

    request_init(&request);
    assert_int_equal(gateway->ask(&sender, purpose, step, &request), 0);
    assert_string_equal(request.method, method);
    assert_string_equal(buf_string(&request.url), url);
    assert_string_equal(buf_string(&request.body), body);
    assert_int_equal(header_of(&request, "Content-Type") != NULL, strcmp(method, "POST") == 0);
    request_done(&request);
}

static void test_questions(_unused_ void **state) {
    assert_asks(&gateway_wppconnect, PURPOSE_PAIR, STATUS, "GET", "http://127.0.0.1:1/x/api/alerts/status-session", "");
    assert_asks(&gateway_wppconnect, PURPOSE_PAIR, START, "POST", "http://127.0.0.1:1/x/api/alerts/start-session", "{}");
    assert_asks(&gateway_wppconnect, PURPOSE_UNPAIR, 0, "POST", "http://127.0.0.1:1/x/api/alerts/logout-session", "{}");
    assert_asks(&gateway_webjs, PURPOSE_PAIR, STATUS, "GET", "http://127.0.0.1:1/x/session/status/alerts", "");
    assert_asks(&gateway_webjs, PURPOSE_PAIR, START, "GET", "http://127.0.0.1:1/x/session/start/alerts", "");
    assert_asks(&gateway_webjs, PURPOSE_PAIR, RESTART, "GET", "http://127.0.0.1:1/x/session/restart/alerts", "");
    assert_asks(&gateway_webjs, PURPOSE_PAIR, CODE_STEP, "GET", "http://127.0.0.1:1/x/session/qr/alerts", "");
    assert_asks(&gateway_webjs, PURPOSE_UNPAIR, 0, "GET", "http://127.0.0.1:1/x/session/terminate/alerts", "");
    assert_asks(&gateway_waha, PURPOSE_PAIR, STATUS, "GET", "http://127.0.0.1:1/x/api/sessions/my%20%22alerts%22", "");
    assert_asks(&gateway_waha, PURPOSE_PAIR, START, "POST", "http://127.0.0.1:1/x/api/sessions/my%20%22alerts%22/start", "{}");
    assert_asks(&gateway_waha, PURPOSE_PAIR, CREATE, "POST", "http://127.0.0.1:1/x/api/sessions", "{\"name\":\"my \\\"alerts\\\"\",\"start\":true}");
    assert_asks(&gateway_waha, PURPOSE_PAIR, CODE_STEP, "GET", "http://127.0.0.1:1/x/api/my%20%22alerts%22/auth/qr?format=raw", "");
    assert_asks(&gateway_waha, PURPOSE_PAIR, LOGOUT, "POST", "http://127.0.0.1:1/x/api/sessions/my%20%22alerts%22/logout", "{}");
    assert_asks(&gateway_waha, PURPOSE_UNPAIR, 0, "POST", "http://127.0.0.1:1/x/api/sessions/my%20%22alerts%22/logout", "{}");
    assert_asks(&gateway_evolution, PURPOSE_PAIR, STATUS, "GET", "http://127.0.0.1:1/x/instance/connectionState/my%20%22alerts%22", "");
    assert_asks(&gateway_evolution, PURPOSE_PAIR, START, "GET", "http://127.0.0.1:1/x/instance/connect/my%20%22alerts%22", "");
    assert_asks(&gateway_evolution, PURPOSE_PAIR, CREATE, "POST", "http://127.0.0.1:1/x/instance/create",
                "{\"instanceName\":\"my \\\"alerts\\\"\",\"integration\":\"WHATSAPP-BAILEYS\",\"qrcode\":false}");
    assert_asks(&gateway_evolution, PURPOSE_UNPAIR, 0, "DELETE", "http://127.0.0.1:1/x/instance/logout/my%20%22alerts%22", "");
}

/* Neither a step that a gateway does not have is a question, nor what is no session's business. */
static void test_no_such_step(_unused_ void **state) {
    static const struct {
        const struct gateway *gateway;
        unsigned step;
    } some[] = {{&gateway_wppconnect, RESTART}, {&gateway_wppconnect, CREATE}, {&gateway_wppconnect, CODE_STEP}, {&gateway_webjs, CREATE},
                {&gateway_evolution, RESTART},  {&gateway_evolution, CODE_STEP}, {&gateway_waha, LOGOUT + 1}, {&gateway_waha, 4000000000}};
    _cleanup_(json_freep) struct json *number = parsed("{\"phone_number_id\":\"106540352242922\"}");
    struct sender sender = {.name = "main", .base_url = "", .account = json_root(number), .secret = SECRET};
    struct request request;

    for (size_t i = 0; i < ELEMENTSOF(some); i++) {
        _cleanup_(json_freep) struct json *doc = parsed(account_of(some[i].gateway));
        struct sender its = {.name = "main", .base_url = "http://127.0.0.1:1", .account = json_root(doc), .secret = SECRET};

        request_init(&request);
        assert_int_equal(some[i].gateway->ask(&its, PURPOSE_PAIR, some[i].step, &request), -EINVAL);
        assert_string_equal(buf_string(&request.url), "");
        request_done(&request);
    }
    request_init(&request);
    assert_int_equal(gateway_cloud.ask(&sender, PURPOSE_PAIR, 0, &request), -EOPNOTSUPP);
    assert_int_equal(gateway_cloud.ask(&sender, PURPOSE_UNPAIR, 0, &request), -EOPNOTSUPP);
    assert_int_equal(gateway_cloud.ask(&sender, PURPOSE_HEALTH, 0, &request), 0);
    request_done(&request);
}

static void test_words(_unused_ void **state) {
    assert_string_equal(health_kind_to_string(HEALTH_CODE), "code");
    assert_null(purpose_to_string(PURPOSE_HEALTH));
    assert_int_equal(purpose_from_string(NULL), PURPOSE_HEALTH);
    assert_int_equal(purpose_from_string("dance"), PURPOSE_HEALTH);
    for (enum purpose p = PURPOSE_PAIR; p <= PURPOSE_UNPAIR; p++)
        assert_int_equal(purpose_from_string(purpose_to_string(p)), p);
}

int main(void) {
    static const struct CMUnitTest others[] = {cmocka_unit_test(test_long_codes),   cmocka_unit_test(test_hostile_replies),
                                              cmocka_unit_test(test_out_of_reach), cmocka_unit_test(test_questions),
                                              cmocka_unit_test(test_no_such_step), cmocka_unit_test(test_words), cmocka_unit_test(test_long_words)};
    static struct CMUnitTest tests[ELEMENTSOF(rows) + ELEMENTSOF(others)];

    for (size_t i = 0; i < ELEMENTSOF(rows); i++)
        tests[i] = (struct CMUnitTest) {.name = rows[i].name, .test_func = test_answer, .initial_state = (void *) &rows[i]};
    memcpy(tests + ELEMENTSOF(rows), others, sizeof(others));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
