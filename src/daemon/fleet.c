#include "daemon/fleet.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "io/http.h"

enum { HOLD_BACK_USEC = 100 * 1000 };

/* Flights in order; grows by doubling. */
struct list {
    struct flight **items;
    size_t count, allocated;
};

struct fleet {
    struct http *http;
    fleet_landed_fn landed;
    void *userdata;
    struct list flying, finished, held_back, unsent, all;
    uint64_t oldest_finished_usec;
    uint64_t release_usec;
    uint64_t accepted;
    int64_t last_attempt;
    sd_event_source *landing; /* calls landed for those that ended without leaving */
};

static void list_add(struct list *l, struct flight *f) {
    if (l->count == l->allocated) {
        size_t more = l->allocated > 0 ? l->allocated * 2 : 64;
        struct flight **items = reallocarray(l->items, more, sizeof(*items));

        /* Losing track of what is in flight is worse than ending: the database rescues what was. */
        assert(items);
        l->items = items;
        l->allocated = more;
    }
    l->items[l->count++] = f;
}

static void append(struct list *to, const struct list *from) {
    for (size_t i = 0; i < from->count; i++)
        list_add(to, from->items[i]);
}

static void take_from_flying(struct fleet *fleet, const struct flight *f) {
    struct list *l = &fleet->flying;
    struct flight *last = l->items[--l->count];

    l->items[f->place] = last;
    last->place = f->place;
}

static void list_done(struct list *l) {
    for (size_t i = 0; i < l->count; i++)
        flight_free(l->items[i]);
    free(l->items);
}

static void log_attempt(const struct flight *f) {
    bool accepted = f->outcome.kind == OUTCOME_ACCEPTED;
    int level = accepted ? LOG_DEBUG : LOG_INFO;
    char id[24], attempt[24], status[12], took[24];

    if (level > log_get_level())
        return;
    (void) snprintf(id, sizeof(id), "%" PRId64, f->message.id);
    (void) snprintf(attempt, sizeof(attempt), "%" PRId64, f->message.attempt_id);
    (void) snprintf(status, sizeof(status), "%d", f->outcome.status);
    (void) snprintf(took, sizeof(took), "%" PRIu64, clock_monotonic_usec() - f->started_usec);
    const struct log_field fields[] = {
        {"PGHERALD_ID", id},
        {"PGHERALD_ATTEMPT", attempt},
        {"PGHERALD_SENDER", f->account ? f->account->name : NULL},
        {"PGHERALD_OUTCOME", outcome_kind_to_string(f->outcome.kind)},
        {"PGHERALD_SCOPE", f->outcome.kind == OUTCOME_WAIT ? outcome_scope_to_string(f->outcome.scope) : NULL},
        {"PGHERALD_HTTP_STATUS", f->outcome.status > 0 ? status : NULL},
        {"PGHERALD_TRANSFER_USEC", took},
        {"PGHERALD_REASON", accepted ? NULL : f->outcome.reason},
        {0},
    };
    log_event(LOG_EVENT_ATTEMPT, level, fields, "attempt ended");
}

static void finish(struct fleet *fleet, struct flight *f) {
    if (fleet->finished.count == 0)
        fleet->oldest_finished_usec = clock_monotonic_usec();
    fleet->accepted += f->outcome.kind == OUTCOME_ACCEPTED;
    list_add(&fleet->finished, f);
    log_attempt(f);
}

static void on_reply(const struct reply *reply, void *userdata) {
    struct flight *f = userdata;
    struct fleet *fleet = f->fleet;

    gateway_outcome(f->account->gateway, &f->account->sender, &f->message, reply, &f->outcome);
    flight_keep_reply(f, reply);
    take_from_flying(fleet, f);
    finish(fleet, f);
    fleet->landed(f, fleet->userdata);
}

/* 1: it flies. 0: its outcome is known already. */
static int take_off(struct fleet *fleet, struct flight *f, uint64_t time_limit_usec) {
    struct request request __attribute__((cleanup(request_done)));
    int r;

    request_init(&request);
    if (!f->account || f->account->problem[0] != '\0') {
        outcome_set(&f->outcome, OUTCOME_WAIT, SCOPE_SENDER, WAIT_BY_BACKOFF, 0, "%s",
                    f->account ? f->account->problem : "its sender was not described");
        return 0;
    }
    if (f->fault) {
        outcome_set(&f->outcome, OUTCOME_REJECTED, SCOPE_MESSAGE, 0, 0,
                    "the template with its parameters is beyond bounds: %s; shorten it", f->fault);
        return 0;
    }
    r = f->account->gateway->request(&f->account->sender, &f->message, &request, &f->outcome);
    if (r <= 0)
        return r;
    r = http_start(fleet->http, &request, time_limit_usec, on_reply, f);
    return r < 0 ? r : 1;
}

void fleet_launch(struct fleet *fleet, struct flight *f, uint64_t time_limit_usec, bool unsent) {
    int r;

    if (f->message.attempt_id > fleet->last_attempt)
        fleet->last_attempt = f->message.attempt_id;
    if (unsent) {
        list_add(&fleet->unsent, f);
        return;
    }
    f->fleet = fleet;
    f->place = fleet->flying.count;
    f->started_usec = clock_monotonic_usec();
    r = take_off(fleet, f, time_limit_usec);
    if (r > 0) {
        list_add(&fleet->flying, f);
        return;
    }
    if (r == -EINVAL)
        outcome_set(&f->outcome, OUTCOME_WAIT, SCOPE_SENDER, WAIT_BY_BACKOFF, 0,
                    "the request is not fit to be sent: check its base_url and headers");
    else if (r < 0)
        outcome_set(&f->outcome, OUTCOME_WAIT, SCOPE_SENDER, WAIT_BY_BACKOFF, 0, "this daemon has no memory left");
    finish(fleet, f);
    (void) sd_event_source_set_enabled(fleet->landing, SD_EVENT_ONESHOT);
}

/* Those that ended on the ground. */
static int on_landing(_unused_ sd_event_source *source, void *userdata) {
    struct fleet *fleet = userdata;

    if (fleet->finished.count > 0)
        fleet->landed(fleet->finished.items[fleet->finished.count - 1], fleet->userdata);
    return 0;
}

size_t fleet_in_flight(const struct fleet *fleet) {
    return fleet->flying.count;
}

uint64_t fleet_accepted(const struct fleet *fleet) {
    return fleet->accepted;
}

int64_t fleet_last_attempt(const struct fleet *fleet) {
    return fleet->last_attempt;
}

size_t fleet_finished(const struct fleet *fleet) {
    return fleet->finished.count;
}

uint64_t fleet_oldest_finished_usec(const struct fleet *fleet) {
    return fleet->oldest_finished_usec;
}

void fleet_get_finished(const struct fleet *fleet, struct flight ***ret, size_t *ret_count) {
    *ret = fleet->finished.items;
    *ret_count = fleet->finished.count;
}

void fleet_recorded(struct fleet *fleet, size_t count) {
    struct list *l = &fleet->finished;

    assert(count <= l->count);
    for (size_t i = 0; i < count; i++)
        if (l->items[i]->is_held_back)
            list_add(&fleet->held_back, l->items[i]);
        else
            flight_free(l->items[i]);
    l->count -= count;
    if (l->count > 0)
        memmove(l->items, l->items + count, l->count * sizeof(*l->items));
    fleet->oldest_finished_usec = clock_monotonic_usec();
}

void fleet_hold_back(struct fleet *fleet, int64_t attempt_id) {
    for (size_t i = 0; i < fleet->finished.count; i++)
        if (fleet->finished.items[i]->message.attempt_id == attempt_id)
            fleet->finished.items[i]->is_held_back = true;
    fleet->release_usec = clock_monotonic_usec() + HOLD_BACK_USEC;
}

uint64_t fleet_release_usec(const struct fleet *fleet) {
    return fleet->held_back.count > 0 ? fleet->release_usec : UINT64_MAX;
}

void fleet_release(struct fleet *fleet, uint64_t now_usec) {
    if (now_usec < fleet_release_usec(fleet))
        return;
    for (size_t i = 0; i < fleet->held_back.count; i++)
        fleet->held_back.items[i]->is_held_back = false;
    append(&fleet->finished, &fleet->held_back);
    fleet->held_back.count = 0;
}

/* Not of the server's state, its objects or rights, which may be mended: then what was recorded would be less than is known. As
 * herald.error_is_of_row() has it. */
static bool error_is_of_row(const char *sqlstate) {
    static const char *const others[] = {"08", "25", "40", "42", "53", "55", "57", "58", "HR", "XX"};

    for (size_t i = 0; i < ELEMENTSOF(others); i++)
        if (strncmp(sqlstate, others[i], 2) == 0)
            return false;
    return true;
}

static void simplify(struct flight *f, const char *sqlstate) {
    if (f->reply) {
        free(f->reply);
        f->reply = NULL;
        return;
    }
    if (f->outcome.kind == OUTCOME_IN_DOUBT)
        return;
    log_error("what became of message %" PRId64 " (%s) can't be recorded (SQLSTATE %s); it will be in doubt", f->message.id,
              outcome_kind_to_string(f->outcome.kind), sqlstate);
    outcome_set(&f->outcome, OUTCOME_IN_DOUBT, SCOPE_MESSAGE, 0, f->outcome.status,
                "what became of it (%s) could not be recorded: SQLSTATE %s", outcome_kind_to_string(f->outcome.kind), sqlstate);
}

void fleet_blame_first(struct fleet *fleet, const char *sqlstate) {
    struct list *l = &fleet->finished;

    if (l->count == 0)
        return;
    struct flight *first = l->items[0];
    if (error_is_of_row(sqlstate))
        simplify(first, sqlstate);
    memmove(l->items, l->items + 1, (l->count - 1) * sizeof(*l->items));
    l->items[l->count - 1] = first;
}

bool fleet_is_done(const struct fleet *fleet) {
    return fleet->flying.count + fleet->finished.count + fleet->held_back.count == 0;
}

void fleet_get_unsent(const struct fleet *fleet, struct flight ***ret, size_t *ret_count) {
    *ret = fleet->unsent.items;
    *ret_count = fleet->unsent.count;
}

void fleet_all(struct fleet *fleet, struct flight ***ret, size_t *ret_count) {
    fleet->all.count = 0;
    append(&fleet->all, &fleet->flying);
    append(&fleet->all, &fleet->finished);
    append(&fleet->all, &fleet->held_back);
    append(&fleet->all, &fleet->unsent);
    *ret = fleet->all.items;
    *ret_count = fleet->all.count;
}

int fleet_new(sd_event *event, unsigned connections, fleet_landed_fn landed, void *userdata, struct fleet **ret) {
    _cleanup_(fleet_freep) struct fleet *fleet = calloc(1, sizeof(*fleet));
    int r;

    if (!fleet)
        return -ENOMEM;
    fleet->landed = landed;
    fleet->userdata = userdata;
    r = http_new(event, connections, &fleet->http);
    if (r >= 0)
        r = sd_event_add_defer(event, &fleet->landing, on_landing, fleet);
    if (r >= 0)
        r = sd_event_source_set_enabled(fleet->landing, SD_EVENT_OFF);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(fleet);
    return 0;
}

struct fleet *fleet_free(struct fleet *fleet) {
    if (!fleet)
        return NULL;
    sd_event_source_disable_unref(fleet->landing);
    http_free(fleet->http);
    list_done(&fleet->flying);
    list_done(&fleet->finished);
    list_done(&fleet->held_back);
    list_done(&fleet->unsent);
    free(fleet->all.items);
    free(fleet);
    return NULL;
}
