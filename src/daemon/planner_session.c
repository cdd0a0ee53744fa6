#include "daemon/planner_session.h"

#include <errno.h>
#include <stdlib.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/store.h"

struct planner_session {
    struct planner_session_handler handler;
    void *userdata;
    struct pg *pg;
    int backend;      /* the server's process; 0: not ready */
    int left_backend; /* that of a lost connection, which may still run what it was told; 0: none */
    bool stopped;
    struct backoff backoff;
    sd_event_source *reconnect;
};

static void reconnect_later(struct planner_session *s) {
    if (s->stopped)
        return;
    (void) sd_event_source_set_time(s->reconnect, clock_monotonic_usec() + backoff_next_usec(&s->backoff, random_u64()));
    (void) sd_event_source_set_enabled(s->reconnect, SD_EVENT_ONESHOT);
}

static int on_reconnect(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
    struct planner_session *s = userdata;

    if (pg_connect(s->pg) < 0)
        reconnect_later(s);
    return 0;
}

static void on_pinned(_unused_ struct pg *pg, _unused_ const struct pg_result *result, _unused_ const struct pg_error *error,
                      void *userdata) {
    struct planner_session *s = userdata;

    backoff_reset(&s->backoff);
    s->backend = pg_backend(s->pg);
    s->handler.on_ready(s->userdata);
}

static void pin(struct planner_session *s) {
    if (store_commit_asynchronously(s->pg, on_pinned, s) < 0) {
        pg_disconnect(s->pg);
        reconnect_later(s);
    }
}

static void on_left_ended(_unused_ struct pg *pg, _unused_ const struct pg_result *result, const struct pg_error *error,
                          void *userdata) {
    struct planner_session *s = userdata;

    if (error)
        log_warning("the server's process %d, whose connection was lost, could not be ended: %s", s->left_backend, error->text);
    s->left_backend = 0;
    pin(s);
}

static void on_connected(struct pg *pg, void *userdata) {
    struct planner_session *s = userdata;

    if (s->left_backend == 0 || store_end_session(pg, s->left_backend, on_left_ended, s) < 0)
        pin(s);
}

/* The dispatcher's connection tells the world that the database is away; here it is only noted. */
static void on_lost(_unused_ struct pg *pg, const struct pg_error *error, void *userdata) {
    struct planner_session *s = userdata;

    log_debug("a planner connection is lost: %s", error->text);
    if (s->backend != 0)
        s->left_backend = s->backend;
    s->backend = 0;
    s->handler.on_lost(error, s->userdata);
    reconnect_later(s);
}

int planner_session_new(sd_event *event, const char *conninfo, const struct planner_session_handler *handler, void *userdata,
                        struct planner_session **ret) {
    static const struct pg_handler pg_handler = {.on_connected = on_connected, .on_lost = on_lost};
    _cleanup_(planner_session_freep) struct planner_session *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return -ENOMEM;
    s->handler = *handler;
    s->userdata = userdata;
    /* However long the database was away: within a second of its return all goes on. */
    s->backoff = (struct backoff) {
        .floor_usec = 50 * USEC_PER_MSEC, .base_usec = 100 * USEC_PER_MSEC, .cap_usec = 800 * USEC_PER_MSEC};
    r = pg_new(event, conninfo, "planner", &pg_handler, s, &s->pg);
    if (r < 0)
        return r;
    r = sd_event_add_time(event, &s->reconnect, CLOCK_MONOTONIC, 0, 10 * USEC_PER_MSEC, on_reconnect, s);
    if (r < 0)
        return r;
    (void) sd_event_source_set_enabled(s->reconnect, SD_EVENT_OFF);
    *ret = TAKE_PTR(s);
    return 0;
}

struct planner_session *planner_session_free(struct planner_session *s) {
    if (!s)
        return NULL;
    sd_event_source_disable_unref(s->reconnect);
    pg_free(s->pg);
    free(s);
    return NULL;
}

int planner_session_start(struct planner_session *s) {
    return pg_connect(s->pg);
}

void planner_session_stop(struct planner_session *s) {
    s->stopped = true;
    (void) sd_event_source_set_enabled(s->reconnect, SD_EVENT_OFF);
}

struct pg *planner_session_pg(struct planner_session *s) {
    return s->pg;
}
