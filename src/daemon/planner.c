#include "daemon/planner.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/planned.h"
#include "daemon/planner_session.h"
#include "daemon/store.h"
#include "daemon/task.h"

enum {
    CONNECTIONS_MAX = 8,
    TASKS_MAX = 4096,
    BATCH = 500,
    BUSY_PAUSE_USEC = 50 * 1000,        /* after another node had the rule */
    GATHER_USEC = 50 * 1000,            /* so long events gather that are not urgent */
    UNRECORDED_PAUSE_USEC = 1000 * 1000,
    RING_TIME_LIMIT_USEC = 60 * 1000 * 1000, /* the usual time limit of a rule */
    TIME_LIMIT_SLACK_USEC = 5 * 1000 * 1000, /* beyond the server's own statement_timeout */
    TIME_LIMIT_MAX_USEC = 2147483 * INT64_C(1000000) / 1000,
};

/* One connection, and what runs on it. */
struct lane {
    struct planner *planner;
    struct planner_session *session;
    struct pg *pg; /* the session's */
    bool is_ready;
    bool is_free; /* ready, and nothing runs */
    bool is_ringing; /* to prove the bell */
    uint64_t time_limit_usec; /* that the session has */
    struct task *task;
};

struct planner {
    sd_event *event;
    struct planner_handler handler;
    void *userdata;
    struct lane lanes[CONNECTIONS_MAX];
    unsigned count;
    bool stopped;
    struct task *waiting; /* in order of arrival */
    unsigned tasks;
    sd_event_source *retry; /* for tasks whose not_before lies ahead */
};

static void dispatch(struct planner *p);

static unsigned free_lanes(const struct planner *p) {
    unsigned n = 0;

    for (unsigned i = 0; i < p->count; i++)
        n += p->lanes[i].is_free;
    return n;
}

static bool runs(const struct planner *p, const char *rule) {
    for (unsigned i = 0; i < p->count; i++)
        if (p->lanes[i].task && strcmp(p->lanes[i].task->rule, rule) == 0)
            return true;
    return false;
}

/* ---- The end of a task ---- */

static void lane_finish(struct lane *l) {
    l->task = task_free(l->task);
    l->planner->tasks--;
    l->is_free = l->is_ready;
}

/* A look follows a ring, whatever came of it. */
static void ring_finish(struct lane *l, const struct pg_result *result, bool is_lost) {
    lane_finish(l);
    l->planner->handler.on_ring_answered(result, is_lost, l->planner->userdata);
}

/* The same task once more, later: it did not get its turn. */
static void lane_put_back(struct lane *l, uint64_t pause_usec) {
    struct task *t;

    if (l->task->is_ring) {
        ring_finish(l, NULL, false);
        return;
    }
    t = TAKE_PTR(l->task);
    t->not_before = clock_monotonic_usec() + pause_usec;
    t->gathers = false;
    l->is_free = l->is_ready;
    task_enqueue(&l->planner->waiting, t);
}

static void on_failure_noted(_unused_ struct pg *pg, _unused_ const struct pg_result *result, const struct pg_error *error,
                             void *userdata) {
    struct lane *l = userdata;

    if (!error) {
        lane_finish(l);
    } else {
        if (l->task->unrecorded++ == 0)
            log_error("a rule's failure could not be recorded: %s", error->text);
        lane_put_back(l, UNRECORDED_PAUSE_USEC); /* else the rule would be due at once, again and again */
    }
    dispatch(l->planner);
    l->planner->handler.on_planned(l->planner->userdata);
}

/* Runs herald.plan_failed(), whose result ends the task. */
static void note_failure(struct lane *l, const char *why) {
    const struct task *t = l->task;

    if (store_plan_failed(l->pg, t->rule, t->is_sweep, why, on_failure_noted, l) < 0)
        lane_put_back(l, USEC_PER_SEC);
}

/* The function itself failed: cancelled by its time limit, or by the server's state. */
static void plan_broke(struct lane *l, const struct pg_error *error) {
    struct task *t = l->task;
    bool is_timeout = strcmp(error->sqlstate, "57014") == 0;
    const char *why = error->text;

    if (t->is_ring) {
        ring_finish(l, NULL, false); /* the look that follows names the rule, and the task of its own tells what is wrong */
        return;
    }
    if (is_timeout)
        why = "it took longer than its time_limit; make its source faster, or let herald.add_rule() give it more";
    if (t->unrecorded == 0)
        planned_log_failed(t->rule, why);
    if (is_timeout && !t->is_sweep && t->batch > 1) {
        t->batch = t->batch > 8 ? t->batch / 8 : 1; /* alone, a key that is too slow is set aside */
        lane_put_back(l, BUSY_PAUSE_USEC);
        return;
    }
    note_failure(l, why);
}

/* The connection broke meanwhile. Once is nothing: a server may restart. Twice in a row, or after its time limit, it is the rule
 * that breaks it: its view sends too much, does not end when it is cancelled, or meets a limit of the server's. */
static void plan_lost(struct lane *l, const struct pg_error *error) {
    struct task *t = l->task;
    bool is_late = clock_monotonic_usec() - t->begun_usec >= t->time_limit_usec;

    if (t->is_ring) {
        ring_finish(l, NULL, true);
        return;
    }
    t->losses++;
    if (!t->failure && (is_late || t->losses > 1) &&
        asprintf(&t->failure, "%s: %s",
                 is_late ? "its source goes on though it was cancelled, so its session is terminated"
                         : "the connection to the server breaks while its source is read",
                 error->text) < 0)
        t->failure = NULL;
    if (t->failure && t->unrecorded == 0)
        planned_log_failed(t->rule, t->failure);
    lane_put_back(l, 0);
}

static void ring_answered(struct lane *l, const struct pg_result *result) {
    struct planner *p = l->planner;
    struct store_row row;

    store_read_row(result, 0, &row);
    if (row.kind == STORE_PLANNED)
        planned_log_outcome(row.planned.rule, row.planned.result, row.planned.error, row.planned.set_aside);
    ring_finish(l, result, false);
    dispatch(p);
}

static void on_planned(_unused_ struct pg *pg, const struct pg_result *result, const struct pg_error *error, void *userdata) {
    struct lane *l = userdata;
    struct planner *p = l->planner;
    struct store_planned done;

    if (error) {
        plan_broke(l, error);
        dispatch(p);
        return;
    }
    if (l->task->is_ring) {
        ring_answered(l, result);
        return;
    }
    store_read_planned(result, &done);
    l->task->losses = 0;
    l->task->batch = l->task->batch < BATCH / 2 ? l->task->batch * 2 : BATCH;
    planned_log_outcome(done.rule, done.result, done.error, done.set_aside);
    if (l->task->is_sweep && strcmp(done.result, "done") == 0)
        planned_log_swept(&done);
    if (strcmp(done.result, "busy") == 0)
        lane_put_back(l, BUSY_PAUSE_USEC);
    else if (done.more)
        lane_put_back(l, 0);
    else
        lane_finish(l);
    dispatch(p);
    p->handler.on_planned(p->userdata);
}

/* ---- The beginning of a task ---- */

static int run_plan(struct lane *l) {
    const struct task *t = l->task;

    if (t->is_ring)
        return store_plan_and_claim(l->pg, &t->claimer, t->room, t->batch, t->time_limit_usec + TIME_LIMIT_SLACK_USEC,
                                    on_planned, l);
    return store_plan(l->pg, t->rule, t->is_sweep, t->batch, t->time_limit_usec + TIME_LIMIT_SLACK_USEC, on_planned, l);
}

static void on_limit_set(_unused_ struct pg *pg, _unused_ const struct pg_result *result, const struct pg_error *error,
                         void *userdata) {
    struct lane *l = userdata;

    if (!error)
        l->time_limit_usec = l->task->time_limit_usec;
    if (error || run_plan(l) < 0)
        lane_put_back(l, USEC_PER_SEC);
}

static void lane_begin(struct lane *l, struct task *t) {
    int r;

    l->is_free = false;
    l->task = t;
    t->begun_usec = clock_monotonic_usec();
    if (t->failure) {
        note_failure(l, t->failure);
        return;
    }
    if (l->time_limit_usec == t->time_limit_usec)
        r = run_plan(l);
    else
        r = store_set_time_limit(l->pg, t->time_limit_usec, on_limit_set, l);
    if (r < 0)
        lane_put_back(l, USEC_PER_SEC);
}

/* Its events were to wait for each other, not for its sweep. */
static bool gathers(const struct planner *p, const char *rule) {
    const struct task *events = task_find(p->waiting, rule, false);

    return events && events->gathers;
}

/* The next task that may begin now, events before sweeps; NULL where there is none. *ret_wait: when one that must wait may. */
static struct task *take_task(struct planner *p, uint64_t now, uint64_t *ret_wait) {
    bool may_sweep = free_lanes(p) > 1 || p->count == 1;

    *ret_wait = UINT64_MAX;
    for (int sweeps = 0; sweeps <= may_sweep; sweeps++)
        for (struct task **place = &p->waiting; *place; place = &(*place)->next) {
            struct task *t = *place;

            if (t->is_sweep != sweeps || runs(p, t->rule) || (t->is_sweep && gathers(p, t->rule)))
                continue;
            if (t->not_before > now) {
                *ret_wait = t->not_before < *ret_wait ? t->not_before : *ret_wait;
                continue;
            }
            *place = t->next;
            return t;
        }
    return NULL;
}

static void dispatch(struct planner *p) {
    uint64_t wait;

    if (p->stopped)
        return;
    for (unsigned i = 0; i < p->count; i++) {
        struct lane *l = &p->lanes[i];

        if (!l->is_free)
            continue;
        struct task *t = take_task(p, clock_monotonic_usec(), &wait);
        if (!t) {
            if (wait != UINT64_MAX) {
                (void) sd_event_source_set_time(p->retry, wait);
                (void) sd_event_source_set_enabled(p->retry, SD_EVENT_ONESHOT);
            }
            return;
        }
        lane_begin(l, t);
    }
}

static int on_retry(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
    dispatch(userdata);
    return 0;
}

int planner_submit(struct planner *p, const char *rule, bool is_sweep, uint64_t time_limit_usec, bool can_wait) {
    struct task *t;

    if (p->stopped || p->tasks >= TASKS_MAX)
        return 0;
    t = task_find(p->waiting, rule, is_sweep);
    if (t) {
        if (t->gathers && !can_wait) {
            t->gathers = false;
            t->not_before = 0;
            dispatch(p);
        }
        return 0;
    }
    for (unsigned i = 0; i < p->count; i++)
        if (p->lanes[i].task && task_is(p->lanes[i].task, rule, is_sweep))
            return 0;
    t = task_new(rule, BATCH, time_limit_usec < TIME_LIMIT_MAX_USEC ? time_limit_usec : TIME_LIMIT_MAX_USEC);
    if (!t)
        return -ENOMEM;
    t->is_sweep = is_sweep;
    t->gathers = can_wait;
    if (t->gathers)
        t->not_before = clock_monotonic_usec() + GATHER_USEC;
    p->tasks++;
    task_enqueue(&p->waiting, t);
    dispatch(p);
    return 0;
}

int planner_answer_ring(struct planner *p, const struct store_identity *identity, unsigned room) {
    for (unsigned i = 0; i < p->count && !p->stopped; i++) {
        struct task *t;

        if (!p->lanes[i].is_free)
            continue;
        t = task_new("", BATCH, RING_TIME_LIMIT_USEC);
        if (!t)
            return -ENOMEM;
        t->is_ring = true;
        t->claimer = *identity;
        t->room = room;
        p->tasks++;
        lane_begin(&p->lanes[i], t);
        return 0;
    }
    return -EAGAIN;
}

bool planner_is_free(const struct planner *p) {
    return !p->stopped && free_lanes(p) > 0;
}

static void on_bell_rung(_unused_ struct pg *pg, _unused_ const struct pg_result *result, const struct pg_error *error,
                         void *userdata) {
    struct lane *l = userdata;

    if (error)
        log_error("the bell could not be rung to prove it: %s", error->text);
    l->is_ringing = false;
    l->is_free = true;
    l->planner->handler.on_bell_rung(true, l->planner->userdata);
    dispatch(l->planner);
}

int planner_prove_bell(struct planner *p, const char *nonce) {
    for (unsigned i = 0; i < p->count; i++) {
        struct lane *l = &p->lanes[i];

        if (!l->is_free)
            continue;
        int r = store_prove_bell(l->pg, nonce, on_bell_rung, l);
        if (r >= 0) {
            l->is_free = false;
            l->is_ringing = true;
        }
        return r;
    }
    return -EAGAIN;
}

/* ---- Connections ---- */

static void on_ready(void *userdata) {
    struct lane *l = userdata;
    struct planner *p = l->planner;

    l->is_ready = l->is_free = true;
    l->time_limit_usec = 0;
    p->handler.on_usable(p->userdata);
    dispatch(p);
}

static void on_lost(const struct pg_error *error, void *userdata) {
    struct lane *l = userdata;

    l->is_ready = l->is_free = false;
    if (l->task)
        plan_lost(l, error);
    if (l->is_ringing) {
        l->is_ringing = false;
        l->planner->handler.on_bell_rung(false, l->planner->userdata);
    }
}

static int lane_init(struct lane *l, struct planner *p, const char *conninfo) {
    static const struct planner_session_handler handler = {.on_ready = on_ready, .on_lost = on_lost};
    int r = planner_session_new(p->event, conninfo, &handler, l, &l->session);

    if (r < 0)
        return r;
    l->planner = p;
    l->pg = planner_session_pg(l->session);
    return 0;
}

int planner_new(sd_event *event, const char *conninfo, unsigned connections, const struct planner_handler *handler,
                void *userdata, struct planner **ret) {
    _cleanup_(planner_freep) struct planner *p = calloc(1, sizeof(*p));
    int r;

    if (!p)
        return -ENOMEM;
    p->event = sd_event_ref(event);
    p->handler = *handler;
    p->userdata = userdata;
    p->count = connections < CONNECTIONS_MAX ? connections : CONNECTIONS_MAX;
    for (unsigned i = 0; i < p->count; i++) {
        r = lane_init(&p->lanes[i], p, conninfo);
        if (r < 0)
            return r;
    }
    r = sd_event_add_time(event, &p->retry, CLOCK_MONOTONIC, 0, USEC_PER_MSEC, on_retry, p);
    if (r < 0)
        return r;
    (void) sd_event_source_set_enabled(p->retry, SD_EVENT_OFF);
    *ret = TAKE_PTR(p);
    return 0;
}

int planner_start(struct planner *p) {
    for (unsigned i = 0; i < p->count; i++) {
        int r = planner_session_start(p->lanes[i].session);

        if (r < 0)
            return r;
    }
    return 0;
}

void planner_stop(struct planner *p) {
    p->stopped = true;
    for (unsigned i = 0; i < p->count; i++)
        planner_session_stop(p->lanes[i].session);
}

struct planner *planner_free(struct planner *p) {
    if (!p)
        return NULL;
    for (unsigned i = 0; i < p->count; i++) {
        planner_session_free(p->lanes[i].session);
        task_free(p->lanes[i].task);
    }
    while (p->waiting) {
        struct task *t = p->waiting;

        p->waiting = t->next;
        task_free(t);
    }
    sd_event_source_disable_unref(p->retry);
    sd_event_unref(p->event);
    free(p);
    return NULL;
}
