#include "web/intake.h"

#include <errno.h>
#include <string.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "io/pg.h"

enum {
    CALL_LIMIT_USEC = 5 * 1000 * 1000,
    AGAIN_USEC = 20 * 1000, /* rows were locked, as a rule by a turn of the daemon; or there was too much to wake at once */
    AGAIN_MAX = 50,
};

struct intake {
    struct pg *pg;
    struct intake_handler handler;
    void *userdata;
    struct batch batches[2];
    struct batch *running, *waiting; /* of these two */
    bool is_running;
    unsigned tries;
    sd_event_source *again, *reconnect;
    struct backoff backoff;
    bool is_lost_told;
};

bool intake_is_connected(const struct intake *in) {
    return pg_is_connected(in->pg);
}

bool intake_is_idle(const struct intake *in) {
    return !in->is_running && batch_is_empty(in->waiting);
}

static void start_next(struct intake *in);

static void finish(struct intake *in, int result) {
    in->is_running = false;
    batch_finish(in->running, result);
    start_next(in);
}

static void try_again(struct intake *in) {
    (void) sd_event_source_set_time_relative(in->again, AGAIN_USEC);
    (void) sd_event_source_set_enabled(in->again, SD_EVENT_ONESHOT);
}

static void on_heard(_unused_ struct pg *pg, _unused_ const struct pg_result *result, const struct pg_error *error,
                     void *userdata) {
    struct intake *in = userdata;

    if (error)
        in->handler.on_refused(error->text, in->userdata);
    finish(in, error ? -EIO : 0);
}

/* What comes after the receipts: whoever waits is told when both are recorded, and both may come again. */
static void hear(struct intake *in) {
    if (in->running->notices.rows == 0)
        finish(in, 0);
    else if (pg_query(in->pg, QUERY_HEAR, in->running->notices.parameters, CALL_LIMIT_USEC, on_heard, in) < 0)
        finish(in, -EIO);
}

static void on_received(_unused_ struct pg *pg, const struct pg_result *result, const struct pg_error *error, void *userdata) {
    struct intake *in = userdata;
    bool again = false;

    for (size_t i = 0; result && i < pg_rows(result); i++)
        if (strcmp(pg_text(result, i, 0), "again") == 0)
            again = true;
    if (error)
        in->handler.on_refused(error->text, in->userdata);
    if (error || (again && in->tries >= AGAIN_MAX)) {
        finish(in, error ? -EIO : -EAGAIN);
    } else if (again) {
        try_again(in);
    } else {
        in->running->receipts.rows = 0; /* they are recorded */
        hear(in);
    }
}

static void receive(struct intake *in) {
    in->tries++;
    if (in->running->receipts.rows == 0)
        hear(in);
    else if (pg_query(in->pg, QUERY_RECEIVE, in->running->receipts.parameters, CALL_LIMIT_USEC, on_received, in) < 0)
        finish(in, -EIO);
}

static int on_again(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
    receive(userdata);
    return 0;
}

static void start_next(struct intake *in) {
    struct batch *next = in->waiting;

    if (in->is_running || batch_is_empty(next) || !pg_is_idle(in->pg))
        return;
    in->waiting = in->running;
    in->running = next;
    in->is_running = true;
    in->tries = 0;
    if (batch_close(next) < 0)
        finish(in, -ENOMEM);
    else
        receive(in);
}

static void on_connected(_unused_ struct pg *pg, void *userdata) {
    struct intake *in = userdata;

    backoff_reset(&in->backoff);
    in->is_lost_told = false;
    in->handler.on_connected(in->userdata);
}

static void reconnect_later(struct intake *in) {
    (void) sd_event_source_set_time_relative(in->reconnect, backoff_next_usec(&in->backoff, random_u64()));
    (void) sd_event_source_set_enabled(in->reconnect, SD_EVENT_ONESHOT);
}

/* Whoever waits is told to come again: gateways do, for days. */
static void on_lost(_unused_ struct pg *pg, const struct pg_error *error, void *userdata) {
    struct intake *in = userdata;

    (void) sd_event_source_set_enabled(in->again, SD_EVENT_OFF);
    in->is_running = false;
    if (!in->is_lost_told)
        in->handler.on_lost(error->text, in->userdata);
    in->is_lost_told = true;
    batch_finish(in->running, -EIO);
    batch_finish(in->waiting, -EIO);
    reconnect_later(in);
}

static int on_reconnect(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
    struct intake *in = userdata;

    if (pg_connect(in->pg) < 0)
        reconnect_later(in);
    return 0;
}

struct batch *intake_open(struct intake *in) {
    return pg_is_connected(in->pg) && batch_has_room(in->waiting) ? in->waiting : NULL;
}

void intake_wait(struct intake *in, struct batch_waiter *waiter) {
    waiter->next = in->waiting->waiters;
    in->waiting->waiters = waiter;
    start_next(in);
}

static int add_timer(sd_event *event, sd_event_source **ret, sd_event_time_handler_t handler, struct intake *in) {
    int r = sd_event_add_time(event, ret, CLOCK_MONOTONIC, 0, USEC_PER_MSEC, handler, in);

    return r < 0 ? r : sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
}

int intake_new(sd_event *event, const char *conninfo, const struct intake_handler *handler, void *userdata,
               struct intake **ret) {
    static const struct pg_handler pg_handler = {.on_connected = on_connected, .on_lost = on_lost};
    _cleanup_(intake_freep) struct intake *in = calloc(1, sizeof(*in));
    int r;

    if (!in)
        return -ENOMEM;
    in->handler = *handler;
    in->userdata = userdata;
    in->running = &in->batches[0];
    in->waiting = &in->batches[1];
    batch_init(in->running);
    batch_init(in->waiting);
    in->backoff = (struct backoff) {
        .floor_usec = 50 * USEC_PER_MSEC, .base_usec = 100 * USEC_PER_MSEC, .cap_usec = 5 * USEC_PER_SEC};
    r = add_timer(event, &in->again, on_again, in);
    if (r >= 0)
        r = add_timer(event, &in->reconnect, on_reconnect, in);
    if (r >= 0)
        r = pg_new(event, conninfo, "web", &pg_handler, in, &in->pg);
    if (r >= 0)
        r = pg_connect(in->pg);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(in);
    return 0;
}

struct intake *intake_free(struct intake *in) {
    if (!in)
        return NULL;
    in->pg = pg_free(in->pg);
    batch_finish(&in->batches[0], -ECANCELED);
    batch_finish(&in->batches[1], -ECANCELED);
    batch_done(&in->batches[0]);
    batch_done(&in->batches[1]);
    sd_event_source_disable_unref(in->again);
    sd_event_source_disable_unref(in->reconnect);
    free(in);
    return NULL;
}
