#include "daemon/store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/parse.h"

enum {
    NUMBER_BYTES = 24,
    ARRAY_BYTES_MAX = 64 * 1024 * 1024,
    HOST_BYTES = 65,
    CLAIM_AGE_MAX_USEC = 10 * 1000 * 1000, /* its lease ends 15 s after its request's time limit */
};

struct number {
    char text[NUMBER_BYTES];
};

static const char *number_text(struct number *n, int64_t value) {
    (void) snprintf(n->text, sizeof(n->text), "%" PRId64, value);
    return n->text;
}

static uint64_t parse_xid(const char *text) {
    int64_t value = 0;

    /* xid8 is unsigned, but would take longer than the sun burns to need its last bit. */
    return text && parse_int(text, 0, INT64_MAX, &value) == 0 ? (uint64_t) value : 0;
}

static const char *text_or_empty(const char *text) {
    return text ? text : "";
}

static void append_attempts(struct buf *b, struct flight *const *flights, size_t count) {
    pg_array_begin(b);
    for (size_t i = 0; i < count; i++)
        pg_array_add_int(b, flights[i]->message.attempt_id);
    pg_array_end(b);
}

int store_listen(struct pg *pg, pg_done_fn done, void *userdata) {
    return pg_query(pg, QUERY_LISTEN, NULL, STORE_TIME_LIMIT_USEC, done, userdata);
}

int store_join(struct pg *pg, const struct store_identity *identity, struct flight *const *flights, size_t count,
               pg_done_fn done, void *userdata) {
    _cleanup_(buf_done) struct buf attempts = BUF_MAX(ARRAY_BYTES_MAX);
    struct number incarnation, pid, last_attempt;
    char host[HOST_BYTES] = "";

    (void) gethostname(host, sizeof(host) - 1);
    append_attempts(&attempts, flights, count);
    if (buf_error(&attempts))
        return buf_error(&attempts);
    const char *parameters[] = {identity->node, number_text(&incarnation, identity->incarnation), buf_string(&attempts), host,
                                number_text(&pid, getpid()), PGHERALD_VERSION, identity->timeline,
                                number_text(&last_attempt, identity->last_attempt)};
    return pg_query(pg, QUERY_JOIN, parameters, STORE_TIME_LIMIT_USEC, done, userdata);
}

void store_read_joined(const struct pg_result *result, struct store_joined *ret) {
    *ret = (struct store_joined) {.incarnation = pg_int(result, 0, 0, 0),
                                  .schema_version = pg_int(result, 0, 1, 0),
                                  .given_back = pg_int(result, 0, 2, 0),
                                  .in_doubt = pg_int(result, 0, 3, 0),
                                  .joins = pg_int(result, 0, 4, 0),
                                  .timeline = text_or_empty(pg_text(result, 0, 5)),
                                  .forgotten = pg_int(result, 0, 6, -1)};
}

/* The columns of herald.settle(), one array each. */
enum { IDS, ATTEMPTS, OUTCOMES, SCOPES, WAITS, CODES, MESSAGE_IDS, BODIES, ERRORS, ARRAYS };

static void append_outcome(struct buf arrays[ARRAYS], const struct flight *f, bool with_reply) {
    const struct outcome *o = &f->outcome;
    bool accepted = o->kind == OUTCOME_ACCEPTED, waits = o->kind == OUTCOME_WAIT;
    bool is_scoped = waits || (o->kind == OUTCOME_REJECTED && o->scope == SCOPE_RECIPIENT) ||
                     (o->kind == OUTCOME_IN_DOUBT && o->scope == SCOPE_SENDER);

    pg_array_add_int(&arrays[IDS], f->message.id);
    pg_array_add_int(&arrays[ATTEMPTS], f->message.attempt_id);
    pg_array_add(&arrays[OUTCOMES], outcome_kind_to_string(o->kind));
    pg_array_add(&arrays[SCOPES], is_scoped ? outcome_scope_to_string(o->scope) : NULL);
    if (waits && o->wait_sec >= 0)
        pg_array_add_int(&arrays[WAITS], o->wait_sec);
    else
        pg_array_add(&arrays[WAITS], NULL);
    if (o->status > 0)
        pg_array_add_int(&arrays[CODES], o->status);
    else
        pg_array_add(&arrays[CODES], NULL);
    pg_array_add(&arrays[MESSAGE_IDS], accepted && o->message_id[0] != '\0' ? o->message_id : NULL);
    pg_array_add(&arrays[BODIES], with_reply ? f->reply : NULL);
    pg_array_add(&arrays[ERRORS], accepted ? NULL : o->reason);
}

int store_turn(struct pg *pg, const struct store_identity *identity, unsigned room, struct flight *const *finished, size_t count,
               bool with_replies, pg_done_fn done, void *userdata) {
    struct buf arrays[ARRAYS];
    struct number incarnation, room_text;
    const char *parameters[2 + ARRAYS] = {number_text(&incarnation, identity->incarnation), number_text(&room_text, room)};
    int r = 0;

    for (size_t i = 0; i < ARRAYS; i++) {
        arrays[i] = BUF_MAX(ARRAY_BYTES_MAX);
        pg_array_begin(&arrays[i]);
    }
    for (size_t i = 0; i < count; i++)
        append_outcome(arrays, finished[i], with_replies);
    for (size_t i = 0; i < ARRAYS; i++) {
        pg_array_end(&arrays[i]);
        parameters[2 + i] = buf_string(&arrays[i]);
        if (buf_error(&arrays[i]))
            r = buf_error(&arrays[i]);
    }
    if (r == 0)
        r = pg_query(pg, QUERY_TURN, parameters, STORE_TIME_LIMIT_USEC, done, userdata);
    for (size_t i = 0; i < ARRAYS; i++)
        buf_done(&arrays[i]);
    return r;
}

/* The columns of herald.turn_row. */
enum { WHAT, ID, ATTEMPT_ID, SENDER, TARGET, TARGET_KIND, BODY, DETAIL };

static enum store_row_kind row_kind(const char *what) {
    static const char *const names[] = {
        [STORE_PLANNED] = "planned",   [STORE_OPENED] = "opened", [STORE_HELD] = "held",
        [STORE_UNPAIRED] = "unpaired", [STORE_CLAIM] = "claim",   [STORE_SENDER] = "sender",
        [STORE_ASK] = "ask",           [STORE_TASK] = "task",     [STORE_LEFT] = "left",
        [STORE_LOOK] = "look",
    };

    for (size_t i = 0; what && i < ELEMENTSOF(names); i++)
        if (strcmp(names[i], what) == 0)
            return (enum store_row_kind) i;
    return STORE_OTHER;
}

static int64_t int_or(const char *text, int64_t min, int64_t max, int64_t fallback) {
    int64_t value;

    return text && parse_int(text, min, max, &value) >= 0 ? value : fallback;
}

static void read_look(const struct pg_result *r, size_t i, struct store_row *ret) {
    ret->look.next_usec = pg_int(r, i, ID, -1);
    ret->look.xmin = parse_xid(pg_text(r, i, SENDER));
    ret->look.polls = pg_text(r, i, TARGET) != NULL;
    ret->look.schema_version = pg_int(r, i, TARGET_KIND, 0);
    ret->look.request_limit_usec = (uint64_t) int_or(pg_text(r, i, BODY), 1, 600 * 1000, 30 * 1000) * USEC_PER_MSEC;
    ret->look.sequence = int_or(pg_text(r, i, DETAIL), 0, INT64_MAX, 0);
}

int64_t store_read_again(const struct pg_result *r, size_t i) {
    const char *what = i < pg_rows(r) ? pg_text(r, i, WHAT) : NULL;

    return what && strcmp(what, "again") == 0 ? pg_int(r, i, ATTEMPT_ID, 0) : 0;
}

void store_read_row(const struct pg_result *r, size_t i, struct store_row *ret) {
    *ret = (struct store_row) {.kind = row_kind(pg_text(r, i, WHAT)), .sender = text_or_empty(pg_text(r, i, SENDER))};
    switch (ret->kind) {
    case STORE_PLANNED:
        ret->planned.rule = ret->sender;
        ret->planned.result = text_or_empty(pg_text(r, i, TARGET));
        ret->planned.error = pg_text(r, i, BODY);
        ret->planned.set_aside = pg_int(r, i, ID, 0);
        break;
    case STORE_CLAIM:
        ret->claim.id = pg_int(r, i, ID, 0);
        ret->claim.attempt_id = pg_int(r, i, ATTEMPT_ID, 0);
        ret->claim.target = text_or_empty(pg_text(r, i, TARGET));
        ret->claim.is_group = strcmp(text_or_empty(pg_text(r, i, TARGET_KIND)), "group") == 0;
        ret->claim.body = text_or_empty(pg_text(r, i, BODY));
        ret->claim.detail_json = pg_text(r, i, DETAIL);
        break;
    case STORE_SENDER:
        ret->account.base_url = text_or_empty(pg_text(r, i, TARGET));
        ret->account.gateway = text_or_empty(pg_text(r, i, TARGET_KIND));
        ret->account.credential = pg_text(r, i, BODY);
        ret->account.account = text_or_empty(pg_text(r, i, DETAIL));
        break;
    case STORE_ASK:
        ret->purpose = purpose_from_string(pg_text(r, i, TARGET));
        break;
    case STORE_TASK:
        ret->task.rule = text_or_empty(pg_text(r, i, TARGET));
        ret->task.is_sweep = strcmp(text_or_empty(pg_text(r, i, TARGET_KIND)), "sweep") == 0;
        ret->task.time_limit_usec = (uint64_t) pg_int(r, i, ID, 60000) * USEC_PER_MSEC;
        ret->task.is_urgent = pg_text(r, i, BODY) != NULL;
        break;
    case STORE_LEFT:
        ret->met = pg_int(r, i, ID, 0);
        break;
    case STORE_LOOK:
        read_look(r, i, ret);
        break;
    default:
        ret->reason = text_or_empty(pg_text(r, i, BODY));
    }
}

int store_tell(struct pg *pg, const struct inquiry *answers, pg_done_fn done, void *userdata) {
    enum { SENDERS, ANSWERS, ASK_WAITS, REASONS, QR_CODES, PURPOSES, COLUMNS };
    struct buf arrays[COLUMNS];
    const char *parameters[COLUMNS];
    int r = 0;

    for (size_t i = 0; i < COLUMNS; i++) {
        arrays[i] = BUF_MAX(ARRAY_BYTES_MAX);
        pg_array_begin(&arrays[i]);
    }
    for (const struct inquiry *a = answers; a; a = a->next) {
        pg_array_add(&arrays[SENDERS], a->account->name);
        pg_array_add(&arrays[ANSWERS], health_kind_to_string(a->health.kind));
        if (a->health.wait_sec >= 0)
            pg_array_add_int(&arrays[ASK_WAITS], a->health.wait_sec);
        else
            pg_array_add(&arrays[ASK_WAITS], NULL);
        pg_array_add(&arrays[REASONS], a->health.kind == HEALTH_WELL ? NULL : a->health.reason);
        pg_array_add(&arrays[QR_CODES], a->health.kind == HEALTH_CODE ? a->health.code : NULL);
        pg_array_add(&arrays[PURPOSES], purpose_to_string(a->purpose));
    }
    for (size_t i = 0; i < COLUMNS; i++) {
        pg_array_end(&arrays[i]);
        parameters[i] = buf_string(&arrays[i]);
        if (buf_error(&arrays[i]))
            r = buf_error(&arrays[i]);
    }
    if (r == 0)
        r = pg_query(pg, QUERY_TELL, parameters, STORE_TIME_LIMIT_USEC, done, userdata);
    for (size_t i = 0; i < COLUMNS; i++)
        buf_done(&arrays[i]);
    return r;
}

void store_read_told(const struct pg_result *result, size_t row, struct store_row *ret) {
    *ret = (struct store_row) {.kind = row_kind(pg_text(result, row, 0)),
                               .sender = text_or_empty(pg_text(result, row, 1)),
                               .reason = text_or_empty(pg_text(result, row, 2))};
}

int store_attend(struct pg *pg, const struct store_identity *identity, unsigned asleep_sec, pg_done_fn done, void *userdata) {
    struct number incarnation, seconds;
    const char *parameters[] = {identity->node, number_text(&incarnation, identity->incarnation),
                                number_text(&seconds, asleep_sec)};

    return pg_query(pg, QUERY_ATTEND, parameters, STORE_TIME_LIMIT_USEC, done, userdata);
}

int store_renew(struct pg *pg, const struct store_identity *identity, unsigned asleep_sec, const uint64_t wakes[STORE_WAKES],
                pg_done_fn done, void *userdata) {
    _cleanup_(buf_done) struct buf array = BUF_MAX(ARRAY_BYTES_MAX);
    struct number incarnation, seconds;

    pg_array_begin(&array);
    for (size_t i = 0; i < STORE_WAKES; i++)
        pg_array_add_int(&array, (int64_t) wakes[i]);
    pg_array_end(&array);
    if (buf_error(&array))
        return buf_error(&array);
    const char *parameters[] = {identity->node, number_text(&incarnation, identity->incarnation),
                                number_text(&seconds, asleep_sec), buf_string(&array)};
    return pg_query(pg, QUERY_BACKSTOP, parameters, STORE_TIME_LIMIT_USEC, done, userdata);
}

int store_take_horizon(struct pg *pg, pg_done_fn done, void *userdata) {
    return pg_query(pg, QUERY_HORIZON, NULL, STORE_TIME_LIMIT_USEC, done, userdata);
}

uint64_t store_read_horizon(const struct pg_result *result) {
    return parse_xid(pg_text(result, 0, 0));
}

int store_leave(struct pg *pg, const struct store_identity *identity, struct flight *const *unsent, size_t count, pg_done_fn done,
                void *userdata) {
    _cleanup_(buf_done) struct buf attempts = BUF_MAX(ARRAY_BYTES_MAX);
    struct number incarnation;

    append_attempts(&attempts, unsent, count);
    if (buf_error(&attempts))
        return buf_error(&attempts);
    const char *parameters[] = {identity->node, number_text(&incarnation, identity->incarnation), buf_string(&attempts)};
    return pg_query(pg, QUERY_LEAVE, parameters, STORE_TIME_LIMIT_USEC, done, userdata);
}

int store_commit_asynchronously(struct pg *pg, pg_done_fn done, void *userdata) {
    return pg_query(pg, QUERY_ASYNCHRONOUS_COMMIT, NULL, STORE_TIME_LIMIT_USEC, done, userdata);
}

int store_end_session(struct pg *pg, int backend, pg_done_fn done, void *userdata) {
    struct number text;
    const char *parameters[] = {number_text(&text, backend)};

    return pg_query(pg, QUERY_END_SESSION, parameters, STORE_TIME_LIMIT_USEC, done, userdata);
}

int store_prove_bell(struct pg *pg, const char *nonce, pg_done_fn done, void *userdata) {
    const char *parameters[] = {nonce};

    return pg_query(pg, QUERY_PROVE_BELL, parameters, STORE_TIME_LIMIT_USEC, done, userdata);
}

int store_set_time_limit(struct pg *pg, uint64_t time_limit_usec, pg_done_fn done, void *userdata) {
    struct number ms;
    const char *parameters[] = {number_text(&ms, (int64_t) (time_limit_usec / USEC_PER_MSEC))};

    return pg_query(pg, QUERY_PLAN_TIME_LIMIT, parameters, STORE_TIME_LIMIT_USEC, done, userdata);
}

int store_plan(struct pg *pg, const char *rule, bool is_sweep, unsigned batch, uint64_t time_limit_usec, pg_done_fn done,
               void *userdata) {
    struct number batch_text;
    const char *parameters[] = {rule, is_sweep ? "sweep" : "events", number_text(&batch_text, batch)};

    return pg_query(pg, QUERY_PLAN, parameters, time_limit_usec, done, userdata);
}

int store_plan_and_claim(struct pg *pg, const struct store_identity *identity, unsigned room, unsigned batch,
                         uint64_t time_limit_usec, pg_done_fn done, void *userdata) {
    struct number incarnation, joins, room_text, batch_text;
    const char *parameters[] = {number_text(&incarnation, identity->incarnation), number_text(&joins, identity->joins),
                                number_text(&room_text, room), number_text(&batch_text, batch)};

    return pg_query(pg, QUERY_PLAN_AND_CLAIM, parameters, time_limit_usec, done, userdata);
}

/* The server counts from when it got the statement until it claimed: whatever is above that passed on the way, or here. */
bool store_is_stale(const struct pg_result *r, uint64_t asked_usec) {
    return row_kind(pg_text(r, 0, WHAT)) == STORE_PLANNED &&
           clock_monotonic_usec() - asked_usec > (uint64_t) pg_int(r, 0, ATTEMPT_ID, 0) + CLAIM_AGE_MAX_USEC;
}

int store_plan_failed(struct pg *pg, const char *rule, bool is_sweep, const char *why, pg_done_fn done, void *userdata) {
    const char *parameters[] = {rule, is_sweep ? "sweep" : "events", why};

    return pg_query(pg, QUERY_PLAN_FAILED, parameters, STORE_TIME_LIMIT_USEC, done, userdata);
}

/* The columns of herald.plan(). */
enum { RESULT, MORE, FOUND, FRESH, KNOWN, SUPPRESSED, FAILED, SET_ASIDE, TOOK, ERROR, PLANNED_RULE };

void store_read_planned(const struct pg_result *r, struct store_planned *ret) {
    *ret = (struct store_planned) {.result = text_or_empty(pg_text(r, 0, RESULT)),
                                   .rule = text_or_empty(pg_text(r, 0, PLANNED_RULE)),
                                   .error = pg_text(r, 0, ERROR),
                                   .took = text_or_empty(pg_text(r, 0, TOOK)),
                                   .more = pg_bool(r, 0, MORE),
                                   .found = pg_int(r, 0, FOUND, 0),
                                   .fresh = pg_int(r, 0, FRESH, 0),
                                   .known = pg_int(r, 0, KNOWN, 0),
                                   .suppressed = pg_int(r, 0, SUPPRESSED, 0),
                                   .failed = pg_int(r, 0, FAILED, 0),
                                   .set_aside = pg_int(r, 0, SET_ASIDE, 0)};
}
