/* What the tests of the gateways on WhatsApp Web share: one description of a gateway, and what must hold for each of them. */
#pragma once

#include "gateway_fixture.h"

#include <errno.h>

#define PAGE "<!DOCTYPE html>\n<html lang=\"en\"><body><pre>SyntaxError at /srv/x.js</pre></body></html>"
#define GROUP "120363041234567890@g.us"

struct session_case {
    const struct gateway *gateway;
    const char *account, *base_url;
    const char *send_url, *header, *credential; /* how a request is made: with SECRET as its secret */
    const char *id;                             /* of the rows that are accepted, where they do not name another */
};

static inline int request_for(const struct session_case *c, const char *base_url, const char *account, const char *secret,
                              const struct message *message, struct request *request, struct outcome *outcome) {
    _cleanup_(json_freep) struct json *doc = parsed(account);
    struct sender sender = {.name = "main", .base_url = base_url, .account = json_root(doc), .secret = secret};

    memset(outcome, 0, sizeof(*outcome));
    request_init(request);
    return c->gateway->request(&sender, message, request, outcome);
}

static inline void assert_row(const struct session_case *c, const struct answer_row *row) {
    struct sender sender = {.name = "main", .base_url = c->base_url, .secret = SECRET};
    struct message message = message_to(NUMBER, BODY);
    struct reply reply = reply_of(row->status, row->body);
    struct outcome o;

    gateway_outcome(c->gateway, &sender, &message, &reply, &o);
    assert_outcome(&o, row->kind, row->scope, row->wait_sec, row->kind == OUTCOME_ACCEPTED ? NULL : row->reason_holds);
    assert_int_equal(o.status, row->status);
    if (row->kind == OUTCOME_ACCEPTED)
        assert_string_equal(o.message_id, row->reason_holds ? row->reason_holds : c->id);
}

/* What anybody's answer means, the same for each of these gateways. */
static const struct answer_row common_rows[] = {
    {"a page, 200", 200, PAGE, OF_NOBODY, "check base_url"},
    {"a page, 201", 201, PAGE, OF_NOBODY, "check base_url"},
    {"a page, 400", 400, PAGE, WAITS(SENDER, 60), "check base_url"},
    {"a page, 404", 404, PAGE, WAITS(SENDER, 60), "check base_url"},
    {"another 403", 403, "", WAITS(SENDER, 60), "credential"},
    {"405", 405, "", WAITS(SENDER, 60), NULL},
    {"408", 408, "", AGAIN, NULL},
    {"413", 413, PAGE, REJECTED, "too large"},
    {"429, in plain text", 429, "Too many requests, " SECRET, WAITS(SENDER, WAIT_BY_BACKOFF), "too many requests (HTTP 429): Too many"},
    {"reachout time lock", 500, "{\"error\":\"server returned error 463\",\"exception\":{\"message\":\"server returned error 463\"}}",
     WAITS(RECIPIENT, 21600), "bars"},
    {"reachout time lock, 400", 400, "{\"response\":{\"message\":[\"Error: Server returned error 463\"]}}", WAITS(RECIPIENT, 21600),
     "bars"},
    {"message capping", 500, "{\"error\":\"server returned error 475\"}", WAITS(RECIPIENT, 21600), "caps"},
    {"no such user", 500, "{\"error\":\"No LID for user\"}", REJECTED, "not on WhatsApp"},
    {"the browser went away", 500, "{\"error\":\"Protocol error (Runtime.callFunctionOn): Target closed.\"}", IN_DOUBT, "browser"},
    {"the browser's page went away", 500, "{\"error\":\"Execution context was destroyed.\"}", IN_DOUBT, "browser"},
    {"no such user, in other words", 500, "{\"error\":\"2 UNKNOWN: no LID found for 8801712345678@s.whatsapp.net from server\"}", REJECTED,
     "not on WhatsApp"},
    {"another 500", 500, "{\"error\":\"Evaluation failed: t\"}", IN_DOUBT, "Evaluation failed: t"},
    {"a page, 500", 500, PAGE, IN_DOUBT, NULL},
    {"a proxy's own", 520, PAGE, IN_DOUBT, NULL},
    {"a proxy's time-out", 524, PAGE, IN_DOUBT, NULL},
    {"bad gateway", 502, PAGE, IN_DOUBT, "proxy"},
    {"gateway time-out", 504, PAGE, IN_DOUBT, "proxy"},
    {"service unavailable", 503, "{\"message\":\"starting\"}", WAITS(SENDER, WAIT_BY_BACKOFF), "not ready"},
    {"service unavailable, a proxy's page", 503, PAGE, IN_DOUBT, "a proxy's page"},
    {"507", 507, "", IN_DOUBT, NULL},
    {"redirected", 301, PAGE, WAITS(SENDER, 60), "base_url"},
    {"redirected with the method", 308, "", WAITS(SENDER, 60), "base_url"},
    {"101", 101, "", IN_DOUBT, NULL},
};

static inline void assert_request(const struct session_case *c, const struct message *message, const char *body) {
    struct request request;
    struct outcome o;

    assert_int_equal(request_for(c, c->base_url, c->account, SECRET, message, &request, &o), 1);
    assert_string_equal(request.method, "POST");
    assert_string_equal(buf_string(&request.url), c->send_url);
    assert_string_equal(header_of(&request, c->header), c->credential);
    assert_string_equal(header_of(&request, "Content-Type"), "application/json; charset=utf-8");
    assert_int_equal(request.header_count, 2);
    assert_string_equal(buf_string(&request.body), body);
    request_done(&request);
}

static inline void assert_refused(const struct session_case *c, const struct message *message, const char *reason_holds) {
    struct request request;
    struct outcome o;

    assert_int_equal(request_for(c, c->base_url, c->account, SECRET, message, &request, &o), 0);
    assert_outcome(&o, REJECTED, reason_holds);
    request_done(&request);
}

/* Targets and bodies that none of them is sent. */
static inline void assert_messages_refused(const struct session_case *c) {
    static const char *const targets[] = {"+55 21 99999999", NUMBER_DIGITS, NUMBER_DIGITS "@c.us", GROUP, "", "+1234567890123456"};
    _cleanup_(json_freep) struct json *template = parsed("{\"name\":\"x\",\"language\":\"en\"}");
    static char body[65536 + 2];
    struct message message = message_to(NUMBER, "x");
    struct request request;
    struct outcome o;

    for (size_t i = 0; i < ELEMENTSOF(targets); i++) {
        message.target = targets[i];
        assert_refused(c, &message, "E.164");
    }
    message = message_to("120363041234567890", "x");
    assert_refused(c, &message, "not a group id");
    message.target = GROUP "," GROUP;
    assert_refused(c, &message, "");
    message = message_to(NUMBER, " \n");
    assert_refused(c, &message, "the message is empty");
    message.template = json_root(template);
    assert_refused(c, &message, "give the template a body");
    memset(body, 'x', sizeof(body) - 1);
    message.body = body;
    assert_refused(c, &message, "65537 characters");
    body[65536] = '\0';
    assert_int_equal(request_for(c, c->base_url, c->account, SECRET, &message, &request, &o), 1);
    request_done(&request);
    memset(body, '\x01', sizeof(body) - 2); /* six bytes each in JSON */
    assert_refused(c, &message, "too large");
}

static inline void assert_incomplete(const struct session_case *c, const char *base_url, const char *account, const char *secret,
                                     const char *what) {
    _cleanup_(json_freep) struct json *doc = parsed(account);
    struct sender sender = {.name = "main", .base_url = base_url, .account = json_root(doc), .secret = secret};
    _cleanup_(buf_done) struct buf fault = BUF_MAX(4096);
    struct message message = message_to(NUMBER, BODY);
    struct request request;
    struct outcome o;

    assert_int_equal(c->gateway->check(&sender, &fault), -EINVAL);
    if (!strstr(buf_string(&fault), what))
        fail_msg("not \"%s\" in: %s", what, buf_string(&fault));
    assert_int_equal(request_for(c, base_url, account, secret, &message, &request, &o), 0);
    assert_outcome(&o, WAITS(SENDER, 60), what);
    request_done(&request);
}

/* The faults that a row of each of them may have; key: what the account calls the session. */
static inline void assert_checks(const struct session_case *c, const char *key) {
    _cleanup_(json_freep) struct json *doc = parsed(c->account);
    struct sender sender = {.name = "main", .base_url = c->base_url, .account = json_root(doc), .secret = SECRET};
    _cleanup_(buf_done) struct buf fault = BUF_MAX(4096);
    char account[512], filler[256], long_secret[9000];

    assert_int_equal(c->gateway->check(&sender, &fault), 0);
    assert_string_equal(buf_string(&fault), "");
    sender.account = NULL;
    assert_int_equal(c->gateway->check(&sender, &fault), -EINVAL);
    assert_incomplete(c, c->base_url, "{}", SECRET, "is missing. It is the name of the");
    for (size_t i = 0; i < 2; i++) {
        (void) snprintf(account, sizeof(account), "{\"%s\":%s}", key, i == 0 ? "\"\"" : "{}");
        assert_incomplete(c, c->base_url, account, SECRET, "missing");
    }
    (void) snprintf(account, sizeof(account), "{\"%s\":\"a\\nb\"}", key);
    assert_incomplete(c, c->base_url, account, SECRET, "not a session's name");
    memset(filler, 'a', sizeof(filler));
    (void) snprintf(account, sizeof(account), "{\"%s\":\"%.*s\"}", key, 129, filler);
    assert_incomplete(c, c->base_url, account, SECRET, "not a session's name");
    assert_incomplete(c, "", c->account, SECRET, c->base_url);
    assert_incomplete(c, NULL, c->account, SECRET, "base_url");
    assert_incomplete(c, "http://u:p@x", c->account, SECRET, "user name");
    assert_incomplete(c, "http://x/?a", c->account, SECRET, "query");
    assert_incomplete(c, c->base_url, c->account, "", "no API key");
    assert_incomplete(c, c->base_url, c->account, "a\nb", "control character");
    memset(long_secret, 'k', sizeof(long_secret));
    long_secret[sizeof(long_secret) - 1] = '\0';
    struct message message = message_to(NUMBER, BODY);
    struct request request;
    struct outcome o;
    assert_int_equal(request_for(c, c->base_url, c->account, long_secret, &message, &request, &o), 0);
    assert_outcome(&o, WAITS(SENDER, 60), "too long");
    request_done(&request);
}

/* Runs the rows, each a test of its own, and the others. */
static inline int run_rows(const struct answer_row *rows, size_t row_count, void (*test)(void **state),
                           const struct CMUnitTest *others, size_t other_count) {
    static struct CMUnitTest tests[256];
    size_t n = 0;

    for (size_t i = 0; i < row_count + ELEMENTSOF(common_rows) && n < ELEMENTSOF(tests); i++) {
        const struct answer_row *row = i < row_count ? &rows[i] : &common_rows[i - row_count];

        tests[n++] = (struct CMUnitTest) {.name = row->name, .test_func = test, .initial_state = (void *) row};
    }
    for (size_t i = 0; i < other_count && n < ELEMENTSOF(tests); i++)
        tests[n++] = others[i];
    return _cmocka_run_group_tests("rows", tests, n, NULL, NULL);
}
