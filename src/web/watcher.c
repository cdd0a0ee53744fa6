#include "web/watcher.h"

#include <errno.h>
#include <string.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "io/pg.h"
#include "web/figures.h"

enum {
    QUERY_LIMIT_USEC = 10 * 1000 * 1000,
    LOOK_USEC = 3 * 1000 * 1000,
    FIGURES_BYTES_MAX = 512 * 1024,
    PROBLEM_BYTES_MAX = 2000,
};

struct watcher {
    struct pg *pg;
    const char *credentials_dir; /* borrowed */
    struct watcher_handler handler;
    void *userdata;
    struct senders *senders;
    struct watcher_request *asking, *asked; /* asked: the query under way is theirs */
    bool must_read_senders, must_look;
    bool is_new; /* what came since the last look may have been missed */
    sd_event_source *look; /* when connected: the next look; else: connecting again */
    struct backoff backoff;
    char problem[PROBLEM_BYTES_MAX + 1]; /* the last that was told; "": none */
};

const struct senders *watcher_senders(const struct watcher *w) {
    return w->senders;
}

static void tell_problem(struct watcher *w, const char *text) {
    if (strncmp(w->problem, text, PROBLEM_BYTES_MAX) == 0)
        return;
    (void) snprintf(w->problem, sizeof(w->problem), "%s", text);
    if (*text)
        w->handler.on_problem(text, w->userdata);
}

static void answer(struct watcher_request *list, const char *figures) {
    while (list) {
        struct watcher_request *next = list->next; /* done() may free it */

        list->done(figures, list->userdata);
        list = next;
    }
}

static void go_on(struct watcher *w);

static void on_senders(_unused_ struct pg *pg, const struct pg_result *result, const struct pg_error *error, void *userdata) {
    _cleanup_(buf_done) struct buf problem = BUF_MAX(PROBLEM_BYTES_MAX);
    struct watcher *w = userdata;
    struct senders *fresh;

    if (error) {
        tell_problem(w, error->text);
    } else if (senders_load(result, w->credentials_dir, &problem, &fresh) >= 0) {
        senders_free(w->senders);
        w->senders = fresh;
        tell_problem(w, buf_string(&problem));
        w->handler.on_senders(w->userdata);
    }
    go_on(w);
}

static void on_looked(_unused_ struct pg *pg, _unused_ const struct pg_result *result, const struct pg_error *error,
                      void *userdata) {
    struct watcher *w = userdata;

    if (error) {
        tell_problem(w, error->text);
        w->is_new = true;
    }
    go_on(w);
}

static void on_figures(_unused_ struct pg *pg, const struct pg_result *result, const struct pg_error *error, void *userdata) {
    _cleanup_(buf_done) struct buf out = BUF_MAX(FIGURES_BYTES_MAX);
    struct watcher *w = userdata;

    if (error)
        tell_problem(w, error->text);
    answer(TAKE_PTR(w->asked), result && figures_write(result, &out) >= 0 ? buf_string(&out) : NULL);
    go_on(w);
}

/* One thing after the other. What could not be asked is asked again at the next look. */
static void go_on(struct watcher *w) {
    int r = 0;

    if (!pg_is_idle(w->pg))
        return;
    if (w->must_read_senders) {
        w->must_read_senders = false;
        r = pg_query(w->pg, QUERY_WEB_SENDERS, NULL, QUERY_LIMIT_USEC, on_senders, w);
    } else if (w->asking) {
        w->asked = TAKE_PTR(w->asking);
        r = pg_query(w->pg, QUERY_METRICS, NULL, QUERY_LIMIT_USEC, on_figures, w);
    } else if (w->must_look) {
        const char *parameters[] = {w->is_new ? "true" : "false"};

        w->must_look = w->is_new = false;
        r = pg_query(w->pg, QUERY_WEB_LOOKS, parameters, QUERY_LIMIT_USEC, on_looked, w);
    }
    if (r < 0) {
        answer(TAKE_PTR(w->asked), NULL);
        w->is_new = true;
    }
}

static void schedule(struct watcher *w, uint64_t in_usec) {
    (void) sd_event_source_set_time_relative(w->look, in_usec);
    (void) sd_event_source_set_enabled(w->look, SD_EVENT_ONESHOT);
}

static void on_connected(_unused_ struct pg *pg, void *userdata) {
    struct watcher *w = userdata;

    backoff_reset(&w->backoff);
    w->must_read_senders = w->must_look = w->is_new = true;
    schedule(w, LOOK_USEC);
    go_on(w);
}

/* The loss itself is the intake's to tell. */
static void on_lost(_unused_ struct pg *pg, _unused_ const struct pg_error *error, void *userdata) {
    struct watcher *w = userdata;

    answer(TAKE_PTR(w->asked), NULL);
    answer(TAKE_PTR(w->asking), NULL);
    schedule(w, backoff_next_usec(&w->backoff, random_u64()));
}

static int on_look(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
    struct watcher *w = userdata;

    if (pg_is_connected(w->pg)) {
        w->must_read_senders = w->must_look = true;
        schedule(w, LOOK_USEC);
        go_on(w);
    } else if (pg_connect(w->pg) < 0) {
        schedule(w, backoff_next_usec(&w->backoff, random_u64()));
    }
    return 0;
}

void watcher_reload(struct watcher *w, const char *credentials_dir) {
    w->credentials_dir = credentials_dir;
    w->must_read_senders = true;
    go_on(w);
}

void watcher_missed(struct watcher *w) {
    w->is_new = true;
}

void watcher_ask_figures(struct watcher *w, struct watcher_request *request) {
    if (!pg_is_connected(w->pg)) {
        request->done(NULL, request->userdata);
        return;
    }
    request->next = w->asking;
    w->asking = request;
    go_on(w);
}

int watcher_new(sd_event *event, const char *conninfo, const char *credentials_dir, const struct watcher_handler *handler,
                void *userdata, struct watcher **ret) {
    static const struct pg_handler pg_handler = {.on_connected = on_connected, .on_lost = on_lost};
    _cleanup_(watcher_freep) struct watcher *w = calloc(1, sizeof(*w));
    int r;

    if (!w)
        return -ENOMEM;
    w->credentials_dir = credentials_dir;
    w->handler = *handler;
    w->userdata = userdata;
    w->backoff = (struct backoff) {
        .floor_usec = 50 * USEC_PER_MSEC, .base_usec = 100 * USEC_PER_MSEC, .cap_usec = 5 * USEC_PER_SEC};
    r = sd_event_add_time(event, &w->look, CLOCK_MONOTONIC, UINT64_MAX, 10 * USEC_PER_MSEC, on_look, w);
    if (r >= 0)
        r = pg_new(event, conninfo, "web watcher", &pg_handler, w, &w->pg);
    if (r >= 0)
        r = pg_connect(w->pg);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(w);
    return 0;
}

struct watcher *watcher_free(struct watcher *w) {
    if (!w)
        return NULL;
    w->pg = pg_free(w->pg);
    answer(TAKE_PTR(w->asked), NULL);
    answer(TAKE_PTR(w->asking), NULL);
    sd_event_source_disable_unref(w->look);
    senders_free(w->senders);
    free(w);
    return NULL;
}
