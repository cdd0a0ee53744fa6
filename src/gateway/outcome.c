#include "gateway/outcome.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "gateway/scrub.h"

enum { OUTCOME_FORMAT_BYTES = 2048, CODE_SHOWN_MAX = 999999 };

const char *outcome_kind_to_string(enum outcome_kind kind) {
    switch (kind) {
    case OUTCOME_ACCEPTED:
        return "accepted";
    case OUTCOME_REJECTED:
        return "rejected";
    case OUTCOME_WAIT:
        return "wait";
    case OUTCOME_IN_DOUBT:
        return "in_doubt";
    }
    return "in_doubt"; /* the word that claims least */
}

const char *outcome_scope_to_string(enum outcome_scope scope) {
    switch (scope) {
    case SCOPE_MESSAGE:
        return "message";
    case SCOPE_SENDER:
        return "sender";
    case SCOPE_TEMPLATE:
        return "template";
    case SCOPE_RECIPIENT:
        return "recipient";
    }
    return "message";
}

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
}

static bool bytes_hold(const char *bytes, size_t size, const char *wanted) {
    size_t wanted_size = strlen(wanted);

    for (size_t i = 0; wanted_size <= size && i <= size - wanted_size; i++) {
        size_t n = 0;

        while (n < wanted_size && lower(bytes[i + n]) == lower(wanted[n]))
            n++;
        if (n == wanted_size)
            return true;
    }
    return false;
}

static bool rule_matches(const struct outcome_rule *rule, const struct reply *reply, int64_t code, const char *detail) {
    if (rule->status != 0 && rule->status != reply->status && !(rule->status < 10 && rule->status == reply->status / 100))
        return false;
    if ((rule->code_min != 0 || rule->code_max != 0) && (code < rule->code_min || code > rule->code_max))
        return false;
    if (!rule->holds)
        return true;
    return (reply->body && bytes_hold(reply->body, reply->body_size, rule->holds)) ||
           (detail && bytes_hold(detail, strlen(detail), rule->holds));
}

const struct outcome_rule *outcome_match(const struct outcome_rule *table, const struct reply *reply, int64_t code,
                                         const char *detail) {
    while (!rule_matches(table, reply, code, detail))
        table++;
    return table;
}

/* "HTTP 400" or "HTTP 400, code 131026". What has more digits than a code might be a telephone number. */
static void describe_answer(int status, int64_t code, char *ret, size_t ret_size) {
    if (code != OUTCOME_CODE_ZERO && (code < -CODE_SHOWN_MAX || code > CODE_SHOWN_MAX))
        (void) snprintf(ret, ret_size, "HTTP %d", status);
    else
        (void) snprintf(ret, ret_size, "HTTP %d, code %" PRId64, status, code == OUTCOME_CODE_ZERO ? 0 : code);
}

void outcome_classify(const struct outcome_rule *table, const struct reply *reply, int64_t code, const char *detail,
                      struct outcome *ret) {
    const struct outcome_rule *rule = outcome_match(table, reply, code, detail);
    char answer[64], words[OUTCOME_REASON_BYTES];
    int64_t wait_sec = rule->wait_sec;

    describe_answer(reply->status, code, answer, sizeof(answer));
    scrub_text(detail, detail ? strlen(detail) : 0, NULL, NULL, words, sizeof(words));
    if (rule->kind == OUTCOME_WAIT && reply->retry_after_sec > 0 && reply->retry_after_sec > wait_sec)
        wait_sec = reply->retry_after_sec;
    if (*words)
        outcome_set(ret, rule->kind, rule->scope, wait_sec, reply->status, "%s (%s): %s", rule->meaning, answer, words);
    else
        outcome_set(ret, rule->kind, rule->scope, wait_sec, reply->status, "%s (%s)", rule->meaning, answer);
}

static bool id_is_fit(const char *id) {
    size_t size = strlen(id);

    return size > 0 && size < OUTCOME_MESSAGE_ID_BYTES && text_is_utf8(id, size) && text_is_header_safe(id) &&
           !strstr(id, "\xef\xbf\xbd");
}

bool outcome_accept(struct outcome *o, int status, const char *id) {
    if (id && !id_is_fit(id))
        return false;
    *o = (struct outcome) {.kind = OUTCOME_ACCEPTED, .status = status};
    if (id)
        memcpy(o->message_id, id, strlen(id) + 1);
    return true;
}

void outcome_set(struct outcome *o, enum outcome_kind kind, enum outcome_scope scope, int64_t wait_sec, int status,
                 const char *format, ...) {
    _cleanup_(buf_done) struct buf reason = BUF_MAX(OUTCOME_REASON_BYTES - 1);
    char text[OUTCOME_FORMAT_BYTES];
    va_list args;
    int r;

    *o = (struct outcome) {
        .kind = kind,
        .scope = kind == OUTCOME_ACCEPTED ? SCOPE_MESSAGE : scope,
        .wait_sec = kind == OUTCOME_WAIT ? wait_sec : 0,
        .status = status,
    };
    va_start(args, format);
    r = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    /* The text is empty where there was no memory for a part of it. */
    if (r <= 0 || text_append_utf8(&reason, text, strlen(text), OUTCOME_REASON_BYTES - 1) < 0) {
        (void) snprintf(o->reason, sizeof(o->reason), "HTTP %d, and no memory to say more", status);
        return;
    }
    memcpy(o->reason, buf_string(&reason), reason.size + 1);
}
