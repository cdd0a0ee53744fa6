#include "daemon/dispatcher_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

enum {
    RUNG_PATIENCE_USEC = 20 * 1000, /* so long a ring is left to the planner before a look */
    RUNG_LOOK_USEC = 1000,   /* what a ring brought leaves before there is a look what else there is */
    GATHER_USEC = 2 * 1000,  /* so long an outcome waits for others to be recorded with */
    EMPTY_PAUSE_USEC = 50 * 1000, /* due rows that could not be claimed: somebody has locked them */
    COMPLAIN_EVERY_USEC = 60 * 1000 * 1000,
};

/* ---- What to do next ---- */

/* Outcomes are recorded in company: a turn costs a commit. */
static bool must_record(const struct dispatcher *d, uint64_t now) {
    size_t finished = fleet_finished(d->fleet), flying = fleet_in_flight(d->fleet);

    return finished > 0 && (flying == 0 || finished * 3 >= flying || now >= fleet_oldest_finished_usec(d->fleet) + GATHER_USEC);
}

static unsigned free_room(const struct dispatcher *d) {
    size_t taken = fleet_in_flight(d->fleet) + d->lent;

    return d->is_draining || taken >= d->options.max_in_flight ? 0 : d->options.max_in_flight - (unsigned) taken;
}

static bool must_turn(const struct dispatcher *d, uint64_t now) {
    if (now < d->held_off_until)
        return false;
    if (must_record(d, now))
        return true;
    return !d->is_draining && ((d->more_due && free_room(d) > 0) || now >= d->due_at || bell_next(&d->bell, now) == BELL_LOOK);
}

static void arm(struct dispatcher *d, uint64_t at) {
    if (at == d->timer_at)
        return;
    d->timer_at = at;
    (void) sd_event_source_set_time(d->timer, at);
    (void) sd_event_source_set_enabled(d->timer, SD_EVENT_ONESHOT);
}

static uint64_t earlier(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static void arm_for_next(struct dispatcher *d) {
    uint64_t at = UINT64_MAX;

    if (!d->is_draining)
        at = earlier(d->due_at, bell_next_usec(&d->bell));
    at = earlier(at, fleet_release_usec(d->fleet));
    if (fleet_finished(d->fleet) > 0)
        at = earlier(at, fleet_oldest_finished_usec(d->fleet) + GATHER_USEC);
    if (at != UINT64_MAX)
        arm(d, at < d->held_off_until ? d->held_off_until : at);
}

/* The usual reason of a ring is a captured event: the planner plans and claims it, and gets half of the room for that. A rule may
 * be slow, and what was rung for something else: so the planner has only so long before there is a look as well. */
static bool leave_to_planner(struct dispatcher *d) {
    if (d->stage != STAGE_TURNING || !pg_is_idle(d->pg) || !bell_is_down(&d->bell) || d->is_draining || d->lent > 0)
        return false;
    d->lent = free_room(d) / 2;
    d->lent_joins = d->identity.joins;
    d->lent_at = clock_monotonic_usec();
    if (!d->handler.on_rung(&d->identity, d->lent, d->userdata)) {
        d->lent = 0;
        return false;
    }
    d->due_at = earlier(d->due_at, clock_monotonic_usec() + RUNG_PATIENCE_USEC);
    return true;
}

static void on_notify(_unused_ struct pg *pg, _unused_ const char *channel, const char *payload, void *userdata) {
    struct dispatcher *d = userdata;

    if (payload[0] != '\0') {
        if (d->nonce[0] != '\0' && strcmp(payload, d->nonce) == 0) {
            d->nonce[0] = '\0';
            d->handler.on_bell_proved(d->userdata);
        }
        return;
    }
    d->wakes[STORE_WAKE_RUNG]++;
    if (!leave_to_planner(d))
        bell_rang(&d->bell);
    dispatcher_pump(d);
}

/* ---- Turns ---- */

static void log_sender(enum store_row_kind kind, const char *sender, const char *reason) {
    const struct log_field fields[] = {{"PGHERALD_SENDER", sender}, {"PGHERALD_REASON", reason}, {0}};

    if (kind == STORE_HELD)
        log_event(LOG_EVENT_SENDER_HELD, LOG_ERR, fields,
                  "this sender fails and is held; it is probed by itself, and nothing is lost");
    else if (kind == STORE_UNPAIRED)
        log_event(LOG_EVENT_SENDER_HELD, LOG_ERR, fields,
                  "this sender's session is not paired with a telephone; it is held until it is, and nothing is lost");
    else
        log_event(LOG_EVENT_SENDER_OPENED, LOG_NOTICE, fields, "this sender works again");
}

/* Negative: it was not taken over. */
static int claimed(struct dispatcher *d, const struct store_row *row) {
    struct flight *f;
    int r = flight_new(row->claim.id, row->claim.attempt_id, row->claim.target, row->claim.is_group, row->claim.body,
                       row->claim.detail_json, accounts_find(&d->accounts, row->sender), &f);

    if (r < 0)
        return r;
    fleet_launch(d->fleet, f, d->request_limit_usec, d->is_draining);
    return 0;
}

static void ask(struct dispatcher *d, const struct store_row *row) {
    struct account *account = d->is_draining ? NULL : accounts_find(&d->accounts, row->sender);

    if (account && inquiries_begin(d->inquiries, account, row->purpose, d->request_limit_usec) < 0)
        log_error("no memory to ask how sender \"%s\" is", row->sender);
}

/* Accounts come after the claims that need them. */
static void read_accounts(struct dispatcher *d, const struct pg_result *result) {
    struct store_row row;

    for (size_t i = pg_rows(result); i-- > 0;) {
        store_read_row(result, i, &row);
        if (row.kind == STORE_SENDER &&
            accounts_update(&d->accounts, row.sender, row.account.gateway, row.account.base_url, row.account.credential,
                            row.account.account) < 0)
            log_error("no memory for sender \"%s\"", row.sender);
        if (row.kind == STORE_LOOK)
            d->request_limit_usec = row.look.request_limit_usec;
    }
}

static void read_look(struct dispatcher *d, const struct store_row *row, bool found) {
    uint64_t now = clock_monotonic_usec();

    if (!d->more_due)
        d->due_at = row->look.next_usec < 0 ? UINT64_MAX : now + (uint64_t) row->look.next_usec;
    /* Due, and still not claimed: locked by somebody, or a limit that opens this instant. Not again at once. */
    if (!d->more_due && row->look.next_usec == 0)
        d->due_at = now + EMPTY_PAUSE_USEC;
    bell_looked(&d->bell, now, row->look.xmin, row->look.sequence, found, row->look.polls || d->is_bell_silent);
}

static void turn_failed(struct dispatcher *d, const struct pg_error *error) {
    uint64_t now = clock_monotonic_usec();

    if (now - d->complained_at > COMPLAIN_EVERY_USEC || d->complained_at == 0) {
        log_error("a turn failed, and is taken again: %s", error->text);
        d->complained_at = now;
    }
    d->failed_turns++;
    d->record_most = d->recording > 1 ? d->recording / 2 : 1;
    (void) snprintf(d->suspect, sizeof(d->suspect), "%s", d->recording == 1 ? error->sqlstate : "");
    d->recording = 0;
    d->held_off_until = now + (d->failed_turns > 8 ? USEC_PER_SEC : 20 * USEC_PER_MSEC);
    bell_look_failed(&d->bell, now);
}

static void on_turned(_unused_ struct pg *pg, const struct pg_result *result, const struct pg_error *error, void *userdata) {
    struct dispatcher *d = userdata;
    struct store_row row;
    bool found = d->recording > 0, missed = false, can_wait;

    if (error) {
        turn_failed(d, error);
        dispatcher_pump(d);
        return;
    }
    for (size_t i = 0; store_read_again(result, i) > 0; i++)
        fleet_hold_back(d->fleet, store_read_again(result, i));
    fleet_recorded(d->fleet, d->recording);
    d->recording = 0;
    d->failed_turns = 0;
    if (d->suspect[0] != '\0')
        fleet_blame_first(d->fleet, d->suspect);
    d->suspect[0] = '\0';
    d->record_most = d->record_most > SIZE_MAX / 2 ? SIZE_MAX : d->record_most * 2;
    read_accounts(d, result);
    for (size_t i = 0; i < pg_rows(result); i++) {
        store_read_row(result, i, &row);
        can_wait = row.kind == STORE_TASK && !row.task.is_sweep && !row.task.is_urgent && (d->room == 0 || d->more_due);
        found |= row.kind == STORE_CLAIM || (row.kind == STORE_TASK && !can_wait);
        if (row.kind == STORE_OPENED || row.kind == STORE_HELD)
            log_sender(row.kind, row.sender, row.reason);
        else if (row.kind == STORE_CLAIM)
            missed |= claimed(d, &row) < 0;
        else if (row.kind == STORE_ASK)
            ask(d, &row);
        else if (row.kind == STORE_TASK)
            d->handler.on_task(row.task.rule, row.task.is_sweep, row.task.time_limit_usec, can_wait, d->userdata);
        else if (row.kind == STORE_LEFT)
            d->more_due = d->room > 0 && row.met >= (int64_t) d->room;
        else if (row.kind == STORE_LOOK && joining_check_schema(d, row.look.schema_version))
            read_look(d, &row, found);
    }
    if (missed)
        joining_start_over(d, "no memory to take a message over"); /* it goes back, as the join does not name it */
    dispatcher_pump(d);
}

void dispatcher_take_over(struct dispatcher *d, const struct pg_result *result, bool is_lost) {
    bool was_lent = d->lent > 0, missed = false;
    struct store_row row;

    d->lent = 0;
    if (was_lent && d->stage == STAGE_TURNING && (is_lost || (result && store_is_stale(result, d->lent_at)))) {
        joining_start_over(d, is_lost ? "a planner connection was lost, perhaps with messages claimed"
                                      : "a planner's answer was read too late");
        return;
    }
    /* What was claimed before it joined anew has gone back. */
    if (result && d->lent_joins == d->identity.joins && d->stage != STAGE_JOINING) {
        read_accounts(d, result);
        for (size_t i = 0; i < pg_rows(result); i++) {
            store_read_row(result, i, &row);
            if (row.kind == STORE_CLAIM)
                missed |= claimed(d, &row) < 0;
        }
    }
    if (missed && d->stage == STAGE_TURNING)
        joining_start_over(d, "no memory to take a message over");
    d->due_at = earlier(d->due_at, clock_monotonic_usec() + RUNG_LOOK_USEC);
    dispatcher_pump(d);
}

/* ---- How the senders are ---- */

static void on_told(_unused_ struct pg *pg, const struct pg_result *result, const struct pg_error *error, void *userdata) {
    struct dispatcher *d = userdata;
    struct store_row row;

    if (error)
        log_warning("what gateways say of their senders was not recorded, and is asked again: %s", error->text);
    for (size_t i = 0; !error && i < pg_rows(result); i++) {
        store_read_told(result, i, &row);
        log_sender(row.kind, row.sender, row.reason);
    }
    d->due_at = 0; /* a sender may be open now */
    dispatcher_pump(d);
}

static int tell(struct dispatcher *d) {
    int r = store_tell(d->pg, inquiries_answers(d->inquiries), on_told, d);

    /* The secret of one that is ill may be a new one when it is asked again. */
    for (const struct inquiry *i = inquiries_answers(d->inquiries); i; i = i->next)
        if (i->health.kind == HEALTH_ILL)
            accounts_doubt(&d->accounts, i->account->name);
    inquiries_told(d->inquiries);
    return r;
}

static void on_heard(void *userdata) {
    dispatcher_pump(userdata);
}

static int take_turn(struct dispatcher *d) {
    struct flight **finished;
    size_t count;

    fleet_get_finished(d->fleet, &finished, &count);
    d->recording = d->suspect[0] != '\0' ? 0 : count < d->record_most ? count : d->record_most;
    /* What a turn fails with is found sooner where it does less. */
    d->room = d->failed_turns > 0 && count > 0 ? 0 : free_room(d);
    d->more_due = false;
    d->due_at = UINT64_MAX;
    bell_looks(&d->bell);
    return store_turn(d->pg, &d->identity, d->room, finished, d->recording, d->failed_turns < 4, on_turned, d);
}

/* ---- The bell's own statements ---- */

static void on_said(_unused_ struct pg *pg, _unused_ const struct pg_result *result, const struct pg_error *error, void *userdata) {
    struct dispatcher *d = userdata;
    uint64_t now = clock_monotonic_usec();

    if (error)
        joining_start_over(d, error->text);
    else if (bell_next(&d->bell, now) == BELL_SAY_ASLEEP || bell_next(&d->bell, now) == BELL_SAY_AWAKE)
        bell_said(&d->bell, now);
    else
        bell_renewed(&d->bell, now);
    dispatcher_pump(d);
}

static void on_horizon(_unused_ struct pg *pg, const struct pg_result *result, const struct pg_error *error, void *userdata) {
    struct dispatcher *d = userdata;

    if (error)
        joining_start_over(d, error->text);
    else
        bell_took_horizon(&d->bell, clock_monotonic_usec(), store_read_horizon(result));
    dispatcher_pump(d);
}

static int follow_bell(struct dispatcher *d, enum bell_action action) {
    switch (action) {
    case BELL_SAY_ASLEEP:
        return store_attend(d->pg, &d->identity, BELL_ASLEEP_SEC, on_said, d);
    case BELL_SAY_AWAKE:
        return store_attend(d->pg, &d->identity, 0, on_said, d);
    case BELL_TAKE_HORIZON:
        return store_take_horizon(d->pg, on_horizon, d);
    case BELL_RENEW:
        d->wakes[STORE_WAKE_BACKSTOP]++;
        return store_renew(d->pg, &d->identity, bell_is_down(&d->bell) ? BELL_ASLEEP_SEC : 0, d->wakes, on_said, d);
    default:
        return 0;
    }
}

static void on_left(_unused_ struct pg *pg, _unused_ const struct pg_result *result, const struct pg_error *error, void *userdata) {
    struct dispatcher *d = userdata;

    if (error)
        log_warning("leaving was not recorded: %s", error->text);
    d->stage = STAGE_LEFT;
    d->handler.on_drained(d->userdata);
}

/* Everything that flew has landed and is recorded; what was claimed and did not leave goes back. */
static int leave(struct dispatcher *d) {
    struct flight **unsent;
    size_t count;

    d->stage = STAGE_LEAVING;
    fleet_get_unsent(d->fleet, &unsent, &count);
    return store_leave(d->pg, &d->identity, unsent, count, on_left, d);
}

static void keep_quiet(struct dispatcher *d) {
    if (d->is_quiet)
        return;
    d->is_quiet = true;
    d->handler.on_quiet(d->userdata);
}

/* One statement at a time: starts the next one, or arms the timer for it. */
void dispatcher_pump(struct dispatcher *d) {
    uint64_t now = clock_monotonic_usec();
    enum bell_action action;
    int r = 0;

    if (d->stage != STAGE_TURNING || !pg_is_idle(d->pg))
        return;
    if (d->nonce[0] != '\0') {
        keep_quiet(d);
        return;
    }
    fleet_release(d->fleet, now);
    action = d->is_draining ? BELL_WAIT : bell_next(&d->bell, now);
    if (action != BELL_LOOK && action != BELL_WAIT && action != BELL_RENEW)
        r = follow_bell(d, action);
    else if (inquiries_answers(d->inquiries))
        r = tell(d);
    else if (must_turn(d, now))
        r = take_turn(d);
    else if (d->is_draining && d->lent == 0 && fleet_is_done(d->fleet))
        r = leave(d);
    else if (action == BELL_RENEW)
        r = follow_bell(d, action);
    else
        arm_for_next(d);
    if (r < 0)
        joining_start_over(d, strerror(-r));
}

static int on_timer(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
    struct dispatcher *d = userdata;

    d->timer_at = 0;
    d->wakes[STORE_WAKE_CLOCK]++;
    dispatcher_pump(d);
    return 0;
}

/* ---- What flies ---- */

static void on_landed(const struct flight *f, void *userdata) {
    struct dispatcher *d = userdata;

    /* Its secret may be a new one when it is probed. */
    if (f->outcome.kind != OUTCOME_ACCEPTED && f->outcome.scope == SCOPE_SENDER && f->account)
        accounts_doubt(&d->accounts, f->account->name);
    dispatcher_pump(d);
}

/* ---- From outside ---- */

void dispatcher_look(struct dispatcher *d) {
    bell_rang(&d->bell);
    dispatcher_pump(d);
}

void dispatcher_expect_nonce(struct dispatcher *d, const char *nonce) {
    (void) snprintf(d->nonce, sizeof(d->nonce), "%s", nonce);
    d->is_quiet = false;
    dispatcher_pump(d);
}

void dispatcher_trust_bell(struct dispatcher *d, bool trust) {
    d->is_bell_silent = !trust;
    d->nonce[0] = '\0';
    dispatcher_look(d);
}

void dispatcher_reload(struct dispatcher *d, const struct dispatcher_options *options) {
    d->options = *options;
    d->accounts.credentials_dir = options->credentials_dir;
    accounts_clear(&d->accounts);
    dispatcher_look(d);
}

void dispatcher_drain(struct dispatcher *d) {
    d->is_draining = true;
    d->nonce[0] = '\0';
    if (d->stage == STAGE_AWAY && d->identity.incarnation == 0)
        d->handler.on_drained(d->userdata); /* it never came to anything */
    else
        dispatcher_pump(d);
}

void dispatcher_get_figures(const struct dispatcher *d, struct dispatcher_figures *ret) {
    *ret = (struct dispatcher_figures) {.is_connected = d->stage >= STAGE_TURNING,
                                        .is_asleep = d->bell.state == BELL_ASLEEP,
                                        .in_flight = (unsigned) fleet_in_flight(d->fleet),
                                        .unrecorded = (unsigned) fleet_finished(d->fleet),
                                        .accepted = fleet_accepted(d->fleet)};
}

int dispatcher_new(sd_event *event, const struct dispatcher_options *options, const struct dispatcher_handler *handler,
                   void *userdata, struct dispatcher **ret) {
    static const struct pg_handler pg_handler = {
        .on_connected = joining_on_connected, .on_lost = joining_on_lost, .on_notify = on_notify};
    _cleanup_(dispatcher_freep) struct dispatcher *d = calloc(1, sizeof(*d));
    int r;

    if (!d)
        return -ENOMEM;
    d->event = sd_event_ref(event);
    d->options = *options;
    d->handler = *handler;
    d->userdata = userdata;
    d->identity.node = options->node;
    d->accounts.credentials_dir = options->credentials_dir;
    d->record_most = SIZE_MAX;
    d->request_limit_usec = 30 * USEC_PER_SEC;
    /* However long the database was away: within a second of its return all goes on. */
    d->backoff = (struct backoff) {
        .floor_usec = 50 * USEC_PER_MSEC, .base_usec = 100 * USEC_PER_MSEC, .cap_usec = 800 * USEC_PER_MSEC};
    r = pg_new(event, options->conninfo, "dispatcher", &pg_handler, d, &d->pg);
    if (r >= 0)
        r = fleet_new(event, options->max_in_flight, on_landed, d, &d->fleet);
    if (r >= 0)
        r = inquiries_new(event, on_heard, d, &d->inquiries);
    if (r >= 0)
        r = sd_event_add_time(event, &d->timer, CLOCK_MONOTONIC, 0, USEC_PER_MSEC / 2, on_timer, d);
    if (r >= 0)
        r = sd_event_source_set_enabled(d->timer, SD_EVENT_OFF);
    if (r >= 0)
        r = sd_event_add_time(event, &d->reconnect, CLOCK_MONOTONIC, 0, 10 * USEC_PER_MSEC, joining_on_reconnect, d);
    if (r >= 0)
        r = sd_event_source_set_enabled(d->reconnect, SD_EVENT_OFF);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(d);
    return 0;
}

int dispatcher_start(struct dispatcher *d) {
    return pg_connect(d->pg);
}

struct dispatcher *dispatcher_free(struct dispatcher *d) {
    if (!d)
        return NULL;
    sd_event_source_disable_unref(d->timer);
    sd_event_source_disable_unref(d->reconnect);
    fleet_free(d->fleet);
    inquiries_free(d->inquiries);
    accounts_clear(&d->accounts);
    pg_free(d->pg);
    sd_event_unref(d->event);
    free(d);
    return NULL;
}
