/* What the tests of the gateways share: senders and messages from JSON, replies from text, requests taken apart. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "gateway/gateway.h"

#define NUMBER "+8801712345678"
#define NUMBER_DIGITS "8801712345678"
#define SECRET "EAAGm0PX4ZCpsBAtoken"
#define BODY "Meter 4711 has been stuck since 10:42"

/* NULL for text that is not JSON. */
static inline struct json *parsed(const char *text) {
    const char *fault = NULL;
    struct json *doc = NULL;

    if (json_parse(text, strlen(text), &doc, &fault) < 0)
        fail_msg("test's JSON: %s: %s", fault, text);
    return doc;
}

static inline struct message message_to(const char *target, const char *body) {
    return (struct message) {
        .id = 12, .attempt_id = 34, .target = target, .is_group = strchr(target, '+') == NULL, .body = body,
    };
}

static inline struct reply reply_bytes(int status, const char *body, size_t size) {
    return (struct reply) {.kind = REPLY_COMPLETE, .status = status, .body = body, .body_size = size, .retry_after_sec = -1};
}

static inline struct reply reply_of(int status, const char *body) {
    return reply_bytes(status, body, strlen(body));
}

/* The value of a header of the request, or NULL. */
static inline const char *header_of(const struct request *r, const char *name) {
    for (size_t i = 0; i < r->header_count; i++) {
        const char *line = buf_string(&r->headers[i]);

        if (strncmp(line, name, strlen(name)) == 0 && strncmp(line + strlen(name), ": ", 2) == 0)
            return line + strlen(name) + 2;
    }
    return NULL;
}

/* What holds for every outcome, whatever the gateway said. */
static inline void assert_fit(const struct outcome *o) {
    assert_true(memchr(o->reason, '\0', sizeof(o->reason)) != NULL);
    assert_true(memchr(o->message_id, '\0', sizeof(o->message_id)) != NULL);
    assert_true(text_is_utf8(o->reason, strlen(o->reason)));
    assert_true(text_is_utf8(o->message_id, strlen(o->message_id)));
    assert_int_equal(o->kind != OUTCOME_ACCEPTED, o->reason[0] != '\0');
    assert_true(o->kind == OUTCOME_ACCEPTED || o->message_id[0] == '\0');
    for (const char *p = o->reason; *p; p++)
        assert_false((unsigned char) *p < 0x20 || *p == 0x7f);
    assert_null(strstr(o->reason, SECRET));
    assert_null(strstr(o->reason, BODY));
    assert_null(strstr(o->reason, NUMBER_DIGITS));
}

static inline void assert_outcome(const struct outcome *o, enum outcome_kind kind, enum outcome_scope scope, int64_t wait_sec,
                                  const char *reason_holds) {
    assert_fit(o);
    if (o->kind != kind || o->scope != scope || (kind == OUTCOME_WAIT && o->wait_sec != wait_sec))
        fail_msg("%s %s %lld, not %s %s %lld: %s", outcome_kind_to_string(o->kind), outcome_scope_to_string(o->scope),
                 (long long) o->wait_sec, outcome_kind_to_string(kind), outcome_scope_to_string(scope), (long long) wait_sec,
                 o->reason);
    if (reason_holds && !strstr(o->reason, reason_holds))
        fail_msg("the reason does not hold \"%s\": %s", reason_holds, o->reason);
}

/* One answer and the outcome it must have: a row of a test's table, run as a test of its own. */
struct answer_row {
    const char *name;
    int status;
    const char *body;
    enum outcome_kind kind;
    enum outcome_scope scope;
    int64_t wait_sec;
    const char *reason_holds;
};

#define ACCEPTED OUTCOME_ACCEPTED, SCOPE_MESSAGE, 0
#define REJECTED OUTCOME_REJECTED, SCOPE_MESSAGE, 0
#define OPTED_OUT OUTCOME_REJECTED, SCOPE_RECIPIENT, 0
#define IN_DOUBT OUTCOME_IN_DOUBT, SCOPE_MESSAGE, 0
#define OF_NOBODY OUTCOME_IN_DOUBT, SCOPE_SENDER, 0
#define AGAIN OUTCOME_WAIT, SCOPE_MESSAGE, WAIT_BY_BACKOFF
#define WAITS(scope, seconds) OUTCOME_WAIT, SCOPE_##scope, seconds

/* Replies that no gateway should give, each with every status of interest: they must end in an outcome that is fit, and a 2xx
 * among them is never accepted, unless lenient (a gateway that takes any 2xx for a yes). */
static inline void assert_survives(const struct gateway *gateway, const struct sender *sender, const struct message *message,
                                   const char *body, size_t size, int lenient) {
    static const int statuses[] = {0, 100, 200, 201, 206, 299, 301, 400, 401, 404, 429, 500, 502, 503, 599, 999, -1};

    for (size_t i = 0; i < ELEMENTSOF(statuses); i++) {
        struct reply reply = reply_bytes(statuses[i], body, size);
        struct outcome o;

        memset(&o, 0xa5, sizeof(o));
        gateway_outcome(gateway, sender, message, &reply, &o);
        assert_fit(&o);
        if (statuses[i] / 100 == 2 && !lenient)
            assert_int_equal(o.kind, OUTCOME_IN_DOUBT);
        if (statuses[i] / 100 != 2)
            assert_int_not_equal(o.kind, OUTCOME_ACCEPTED);
    }
}

/* wrap: a pattern with one %s for an id or code in the place where this gateway has it. */
static inline void survive_hostile_replies(const struct gateway *gateway, const struct sender *sender,
                                           const struct message *message, const char *const *replies, size_t count,
                                           int lenient) {
    static char many[400 * 1000 + 1], controls[] = "{\"error\":\"a\nb\x01\x7f\x1b[31m\",\"message\":\"<2>FORGED\"}";

    memset(many, '[', sizeof(many) - 1);
    assert_survives(gateway, sender, message, many, sizeof(many) - 1, lenient);
    memset(many, 'x', sizeof(many) - 1);
    assert_survives(gateway, sender, message, many, sizeof(many) - 1, lenient);
    memset(many, '\xff', sizeof(many) - 1);
    assert_survives(gateway, sender, message, many, sizeof(many) - 1, lenient);
    assert_survives(gateway, sender, message, "", 0, lenient);
    assert_survives(gateway, sender, message, NULL, 0, lenient);
    assert_survives(gateway, sender, message, "\0\0\0", 3, lenient);
    assert_survives(gateway, sender, message, "{\"error\":\"\xc3\x28\"}", 13, lenient);
    assert_survives(gateway, sender, message, controls, sizeof(controls) - 1, lenient);
    for (size_t i = 0; i < count; i++)
        assert_survives(gateway, sender, message, replies[i], strlen(replies[i]), lenient);
}
