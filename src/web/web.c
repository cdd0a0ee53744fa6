#include "web/web.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/clock.h"
#include "base/log.h"
#include "io/service.h"
#include "web/routes.h"

enum {
    DRAIN_USEC = 10 * 1000 * 1000, /* a call of the database and some */
    DRAIN_LOOK_USEC = 10 * 1000,
    FORGED_TELL_USEC = 60 * 1000 * 1000,
};

struct web {
    const char *config_path;
    struct config *own_config; /* after a reload; NULL: that of the start */
    const struct config *config;
    const char *name; /* where it listens */
    sd_event *event;
    struct intake *intake;
    struct watcher *watcher;
    struct server *server;
    struct routes routes;
    sd_event_source *drain, *watchdog;
    uint64_t drain_end_usec;
    uint64_t forged_tell_usec; /* when forged webhooks may be told of again */
    uint64_t forged;           /* since they were */
    bool is_ready;
    bool was_lost;
};

static void tell_status(const struct web *w) {
    service_status("%s", w->routes.is_stopping         ? "stopping"
                         : routes_are_ready(&w->routes) ? "up"
                                                        : "the database is away, connecting again");
}

static void check_ready(struct web *w) {
    tell_status(w);
    if (w->is_ready || !routes_are_ready(&w->routes))
        return;
    w->is_ready = true;
    log_event(LOG_EVENT_STARTED, LOG_NOTICE, NULL, "takes receipts on http://%s/", w->name);
    service_ready();
}

/* ---- What its parts tell ---- */

static void on_connected(void *userdata) {
    struct web *w = userdata;

    if (w->was_lost)
        log_event(LOG_EVENT_DATABASE_BACK, LOG_NOTICE, NULL, "the database is back");
    w->was_lost = false;
    check_ready(w);
}

static void on_lost(const char *text, void *userdata) {
    struct web *w = userdata;

    w->was_lost = true;
    watcher_missed(w->watcher);
    log_event(LOG_EVENT_DATABASE_LOST, LOG_WARNING, NULL,
              "the database is away, trying again; webhooks are told to come again: %s", text);
    tell_status(w);
}

static void on_refused(const char *text, void *userdata) {
    struct web *w = userdata;

    watcher_missed(w->watcher);
    log_error("what webhooks told could not be recorded; gateways that repeat them do so later: %s", text);
}

static void on_senders(void *userdata) {
    check_ready(userdata);
}

static void on_problem(const char *text, _unused_ void *userdata) {
    log_error("%s", text);
}

/* Anybody can send forged ones: a line a minute. */
static void on_forged(void *userdata) {
    struct web *w = userdata;
    uint64_t now_usec = clock_monotonic_usec();

    w->forged++;
    if (now_usec < w->forged_tell_usec)
        return;
    log_event(LOG_EVENT_WEBHOOK_REFUSED, LOG_WARNING, NULL,
              "%llu webhooks refused: not signed with the app secret, or with another verify token, of any sender",
              (unsigned long long) w->forged);
    w->forged = 0;
    w->forged_tell_usec = now_usec + FORGED_TELL_USEC;
}

/* ---- Signals and the end ---- */

static int on_drain(sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
    struct web *w = userdata;

    if (intake_is_idle(w->intake) || clock_monotonic_usec() >= w->drain_end_usec)
        return sd_event_exit(w->event, 0);
    (void) sd_event_source_set_time_relative(source, DRAIN_LOOK_USEC);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void stop(struct web *w) {
    w->routes.is_stopping = true;
    service_stopping();
    log_event(LOG_EVENT_STOPPING, LOG_NOTICE, NULL, "stopping: no more webhooks are taken");
    tell_status(w);
    server_quiesce(w->server);
    w->drain_end_usec = clock_monotonic_usec() + DRAIN_USEC;
    /* What was recorded in this moment is still answered. */
    (void) sd_event_source_set_time_relative(w->drain, DRAIN_LOOK_USEC);
    (void) sd_event_source_set_enabled(w->drain, SD_EVENT_ONESHOT);
}

static void reload(struct web *w) {
    _cleanup_(buf_done) struct buf reason = BUF_MAX(4096);
    _cleanup_(config_freep) struct config *fresh = NULL, *old = NULL;

    service_reloading();
    if (config_load(w->config_path, &fresh, &reason) < 0) {
        log_error("the configuration is left as it was: %s", buf_string(&reason));
        service_ready();
        return;
    }
    old = w->own_config;
    w->own_config = TAKE_PTR(fresh);
    w->config = w->own_config;
    log_set_level(w->config->log_level);
    watcher_reload(w->watcher, w->config->credentials_dir);
    log_event(LOG_EVENT_RELOADED, LOG_NOTICE, NULL, "configuration and secrets are read again; another dsn needs a restart");
    service_ready();
}

static int on_signal(_unused_ sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
    struct web *w = userdata;

    if (info->ssi_signo == SIGHUP)
        reload(w);
    else if (w->routes.is_stopping)
        return sd_event_exit(w->event, 0); /* asked twice */
    else
        stop(w);
    return 0;
}

static int on_watchdog(sd_event_source *source, _unused_ uint64_t usec, _unused_ void *userdata) {
    service_watchdog_ping();
    (void) sd_event_source_set_time_relative(source, service_watchdog_interval_usec());
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* ---- The beginning ---- */

static int add_signals(struct web *w) {
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    sigset_t mask;

    (void) sigemptyset(&mask);
    for (size_t i = 0; i < ELEMENTSOF(signals); i++)
        (void) sigaddset(&mask, signals[i]);
    if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
        return -errno;
    for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
        int r = sd_event_add_signal(w->event, NULL, signals[i], on_signal, w);

        if (r < 0)
            return r;
    }
    return signal(SIGPIPE, SIG_IGN) == SIG_ERR ? -errno : 0;
}

static int add_timers(struct web *w) {
    int r = sd_event_add_time(w->event, &w->drain, CLOCK_MONOTONIC, 0, USEC_PER_MSEC, on_drain, w);

    if (r >= 0)
        r = sd_event_source_set_enabled(w->drain, SD_EVENT_OFF);
    if (r >= 0 && service_watchdog_interval_usec() > 0)
        r = sd_event_add_time(w->event, &w->watchdog, CLOCK_MONOTONIC, 0, 10 * USEC_PER_MSEC, on_watchdog, w);
    return r;
}

static int start(struct web *w, int socket_fd, uint64_t time_limit_usec) {
    static const struct intake_handler intake_handler = {
        .on_connected = on_connected, .on_lost = on_lost, .on_refused = on_refused};
    static const struct watcher_handler watcher_handler = {.on_senders = on_senders, .on_problem = on_problem};
    _cleanup_(closep) int fd = socket_fd;
    int r = sd_event_default(&w->event), taken;

    if (r >= 0)
        r = add_signals(w);
    if (r >= 0)
        r = add_timers(w);
    if (r >= 0)
        r = intake_new(w->event, w->config->dsn, &intake_handler, w, &w->intake);
    if (r >= 0)
        r = watcher_new(w->event, w->config->dsn, w->config->credentials_dir, &watcher_handler, w, &w->watcher);
    if (r < 0)
        return r;
    w->routes.intake = w->intake;
    w->routes.watcher = w->watcher;
    w->routes.on_forged = on_forged;
    w->routes.userdata = w;
    taken = fd; /* the server closes it, also where it fails */
    fd = -1;
    r = server_new(w->event, taken, time_limit_usec, &routes_handler, &w->routes, &w->server);
    w->routes.server = w->server;
    return r;
}

/* Those who wait are answered before the server goes. */
static void web_done(struct web *w) {
    sd_event_source_disable_unref(w->drain);
    sd_event_source_disable_unref(w->watchdog);
    intake_free(w->intake);
    watcher_free(w->watcher);
    server_free(w->server);
    sd_event_unref(w->event);
    config_free(w->own_config);
}

int web_run(const struct config *config, const char *config_path, const struct endpoint *endpoint, uint64_t time_limit_usec) {
    struct web w __attribute__((cleanup(web_done))) = {.config = config, .config_path = config_path, .name = endpoint->name};
    int r;

    (void) prctl(PR_SET_DUMPABLE, 0); /* secrets are in its memory */
    log_open();
    log_set_level(config->log_level);
    r = start(&w, endpoint->fd, time_limit_usec);
    if (r >= 0)
        r = sd_event_loop(w.event);
    if (r < 0) {
        log_error("the web process can't run: %s", strerror(-r));
        return 1;
    }
    return r;
}
