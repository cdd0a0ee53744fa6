#include "daemon/daemon.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <systemd/sd-event.h>

#include "base/clock.h"
#include "base/embedded.h"
#include "base/log.h"
#include "base/parse.h"
#include "daemon/dispatcher.h"
#include "daemon/planner.h"
#include "io/service.h"

enum {
    BELL_PROOF_USEC = 1000 * 1000,
    DRAIN_USEC = 35 * 1000 * 1000, /* a request's time limit and some; below the unit's TimeoutStopSec */
    STATUS_USEC = 1000 * 1000,
    NONCE_BYTES = 40,
    REASON_BYTES = 256,
};

struct daemon {
    const char *config_path;
    struct config *own_config; /* after a reload; NULL: that of the start */
    const struct config *config;
    sd_event *event;
    struct dispatcher *dispatcher;
    struct planner *planner;
    sd_event_source *bell_proof, *drain_limit, *watchdog, *status;
    bool is_ready;
    bool is_stopping;
    bool must_prove_bell;
    bool is_proving_bell; /* asked for, and neither heard nor given up */
    bool is_bell_silent;
    char nonce[NONCE_BYTES];
    char away_reason[REASON_BYTES]; /* why the database could not be reached the last time */
    int exit_status;
};

/* ---- Status ---- */

static void tell_status(struct daemon *d) {
    struct dispatcher_figures f;

    dispatcher_get_figures(d->dispatcher, &f);
    bool is_away = !d->is_stopping && !f.is_connected;
    service_status("%s%s%s; %u in flight, %u to record, %" PRIu64 " accepted since the start",
                   d->is_stopping      ? "stopping, what is in flight ends"
                   : is_away           ? "the database is away, connecting again: "
                   : f.is_asleep       ? "up, asleep until rung"
                                       : "up, awake",
                   is_away ? d->away_reason : "",
                   d->is_bell_silent ? " (notifications don't reach it: it looks every second)" : "", f.in_flight, f.unrecorded,
                   f.accepted);
}

static int on_status(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
    tell_status(userdata);
    return 0;
}

/* At most once a second, and never when nothing happens. */
static void status_changed(struct daemon *d) {
    int enabled = SD_EVENT_OFF;

    (void) sd_event_source_get_enabled(d->status, &enabled);
    if (enabled != SD_EVENT_OFF)
        return;
    (void) sd_event_source_set_time_relative(d->status, STATUS_USEC);
    (void) sd_event_source_set_enabled(d->status, SD_EVENT_ONESHOT);
}

/* ---- The end ---- */

static void stop(struct daemon *d, int exit_status) {
    if (d->is_stopping)
        return;
    d->is_stopping = true;
    d->exit_status = exit_status;
    service_stopping();
    log_event(LOG_EVENT_STOPPING, LOG_NOTICE, NULL, "stopping: nothing more is claimed, what is in flight ends");
    (void) sd_event_source_set_time_relative(d->drain_limit, DRAIN_USEC);
    (void) sd_event_source_set_enabled(d->drain_limit, SD_EVENT_ONESHOT);
    planner_stop(d->planner);
    tell_status(d);
    dispatcher_drain(d->dispatcher);
}

static int on_drain_limit(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
    struct daemon *d = userdata;

    log_warning("what is in flight did not end in time; it will be in doubt until this node starts again");
    return sd_event_exit(d->event, d->exit_status);
}

static void on_drained(void *userdata) {
    struct daemon *d = userdata;

    (void) sd_event_exit(d->event, d->exit_status);
}

static void on_unfit(const char *reason, void *userdata) {
    struct daemon *d = userdata;

    if (d->is_stopping)
        return;
    log_error("%s", reason);
    service_status("%s", reason);
    if (d->is_ready)
        stop(d, 1);
    else
        (void) sd_event_exit(d->event, 1);
}

/* ---- Readiness, and the proof of the bell ---- */

static void ready(struct daemon *d) {
    if (!d->is_ready)
        log_event(LOG_EVENT_STARTED, LOG_NOTICE, NULL, "started as node \"%s\"", d->config->node);
    d->is_ready = true;
    service_ready();
    tell_status(d);
    status_changed(d); /* it falls asleep in a moment */
}

static void prove_bell(struct daemon *d) {
    if (!d->must_prove_bell || !planner_is_free(d->planner))
        return; /* on_usable or on_planned tries again */
    d->must_prove_bell = false;
    d->is_proving_bell = true;
    (void) sd_event_source_set_enabled(d->bell_proof, SD_EVENT_OFF); /* of a proof before this one */
    (void) snprintf(d->nonce, sizeof(d->nonce), "proof-%016" PRIx64, clock_monotonic_usec() ^ ((uint64_t) getpid() << 40));
    dispatcher_expect_nonce(d->dispatcher, d->nonce);
}

static void prove_later(struct daemon *d) {
    d->is_proving_bell = false;
    d->must_prove_bell = true;
    dispatcher_expect_nonce(d->dispatcher, "");
}

static void on_quiet(void *userdata) {
    struct daemon *d = userdata;

    if (planner_prove_bell(d->planner, d->nonce) < 0)
        prove_later(d);
}

/* It must be heard within a second from now. What was cut off proves nothing. */
static void on_bell_rung(bool rung, void *userdata) {
    struct daemon *d = userdata;

    if (!d->is_proving_bell)
        return; /* heard already */
    if (!rung) {
        prove_later(d);
        return;
    }
    (void) sd_event_source_set_time_relative(d->bell_proof, BELL_PROOF_USEC);
    (void) sd_event_source_set_enabled(d->bell_proof, SD_EVENT_ONESHOT);
}

static void bell_proved(struct daemon *d, bool heard) {
    d->is_proving_bell = false;
    (void) sd_event_source_set_enabled(d->bell_proof, SD_EVENT_OFF);
    if (!heard && !d->is_bell_silent)
        log_event(LOG_EVENT_BELL_SILENT, LOG_WARNING, NULL,
                  "notifications do not reach this daemon (a pooler in transaction mode?); it looks every second instead: "
                  "connect it to PostgreSQL directly");
    d->is_bell_silent = !heard;
    dispatcher_trust_bell(d->dispatcher, heard);
    ready(d);
}

static int on_bell_not_heard(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
    struct daemon *d = userdata;
    struct dispatcher_figures f;

    dispatcher_get_figures(d->dispatcher, &f);
    if (f.is_connected) /* else it is proved anew when it has joined again */
        bell_proved(d, false);
    return 0;
}

static void on_bell_proved(void *userdata) {
    bell_proved(userdata, true);
}

static void on_away(const char *reason, void *userdata) {
    struct daemon *d = userdata;

    (void) snprintf(d->away_reason, sizeof(d->away_reason), "%s", reason);
    tell_status(d);
}

static void on_joined(void *userdata) {
    struct daemon *d = userdata;

    if (d->is_stopping)
        return; /* only to record what is still in flight */
    d->must_prove_bell = true;
    prove_bell(d);
}

static void on_usable(void *userdata) {
    prove_bell(userdata);
}

/* ---- Work ---- */

static bool on_rung(const struct store_identity *identity, unsigned room, void *userdata) {
    struct daemon *d = userdata;

    status_changed(d);
    return planner_answer_ring(d->planner, identity, room) >= 0;
}

static void on_ring_answered(const struct pg_result *result, bool is_lost, void *userdata) {
    struct daemon *d = userdata;

    dispatcher_take_over(d->dispatcher, result, is_lost);
    prove_bell(d);
}

static void on_task(const char *rule, bool is_sweep, uint64_t time_limit_usec, bool can_wait, void *userdata) {
    struct daemon *d = userdata;

    if (planner_submit(d->planner, rule, is_sweep, time_limit_usec, can_wait) < 0)
        log_error("no memory to plan rule \"%s\"; the next look finds it again", rule);
    status_changed(d);
}

static void on_planned(void *userdata) {
    struct daemon *d = userdata;

    prove_bell(d);
    dispatcher_look(d->dispatcher);
}

/* ---- Signals ---- */

static void fill_options(const struct daemon *d, struct dispatcher_options *ret) {
    int64_t known = 0;

    for (const struct embedded_file *f = embedded_next("migrations/", NULL); f; f = embedded_next("migrations/", f)) {
        char digits[5] = "";
        int64_t version;

        (void) snprintf(digits, sizeof(digits), "%.4s", f->path + strlen("migrations/"));
        if (parse_int(digits, 1, 9999, &version) >= 0)
            known = version;
    }
    *ret = (struct dispatcher_options) {.conninfo = d->config->dsn,
                                        .node = d->config->node,
                                        .credentials_dir = d->config->credentials_dir,
                                        .max_in_flight = (unsigned) d->config->max_in_flight,
                                        .schema_version = known};
}

/* What can change while it runs: limits, credentials, log level. The rest needs a restart, and says so. */
static void reload(struct daemon *d) {
    _cleanup_(buf_done) struct buf reason = BUF_MAX(4096);
    _cleanup_(config_freep) struct config *fresh = NULL, *old = NULL;
    struct dispatcher_options options;

    service_reloading();
    if (config_load(d->config_path, &fresh, &reason) < 0) {
        log_error("the configuration is left as it was: %s", buf_string(&reason));
        service_ready();
        return;
    }
    if (strcmp(fresh->dsn, d->config->dsn) != 0 || strcmp(fresh->node, d->config->node) != 0 ||
        fresh->planners != d->config->planners || fresh->enabled != d->config->enabled)
        log_warning("dsn, node, planners and enabled change with a restart only");
    old = d->own_config;
    d->own_config = TAKE_PTR(fresh);
    d->config = d->own_config;
    log_set_level(d->config->log_level);
    if (d->dispatcher) {
        fill_options(d, &options);
        dispatcher_reload(d->dispatcher, &options);
    }
    log_event(LOG_EVENT_RELOADED, LOG_NOTICE, NULL, "configuration and secrets are read again");
    service_ready();
}

static int on_signal(_unused_ sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
    struct daemon *d = userdata;

    if (info->ssi_signo == SIGHUP)
        reload(d);
    else if (!d->dispatcher)
        return sd_event_exit(d->event, 0);
    else if (d->is_stopping)
        return sd_event_exit(d->event, d->exit_status); /* asked twice */
    else
        stop(d, 0);
    return 0;
}

/* Tied to the loop: queries and transfers have limits of their own, so a loop that turns makes progress, or waits rightly. */
static int on_watchdog(sd_event_source *source, _unused_ uint64_t usec, _unused_ void *userdata) {
    service_watchdog_ping();
    (void) sd_event_source_set_time_relative(source, service_watchdog_interval_usec());
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* ---- The beginning ---- */

static int add_timer(sd_event *event, sd_event_source **ret, sd_event_time_handler_t handler, void *userdata) {
    int r = sd_event_add_time(event, ret, CLOCK_MONOTONIC, 0, 10 * USEC_PER_MSEC, handler, userdata);

    return r < 0 ? r : sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
}

static int add_signals(struct daemon *d) {
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    sigset_t mask;

    (void) sigemptyset(&mask);
    for (size_t i = 0; i < ELEMENTSOF(signals); i++)
        (void) sigaddset(&mask, signals[i]);
    if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
        return -errno;
    for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
        int r = sd_event_add_signal(d->event, NULL, signals[i], on_signal, d);

        if (r < 0)
            return r;
    }
    return signal(SIGPIPE, SIG_IGN) == SIG_ERR ? -errno : 0;
}

static int add_timers(struct daemon *d) {
    int r = add_timer(d->event, &d->bell_proof, on_bell_not_heard, d);

    if (r >= 0)
        r = add_timer(d->event, &d->drain_limit, on_drain_limit, d);
    if (r >= 0)
        r = add_timer(d->event, &d->status, on_status, d);
    if (r >= 0)
        r = add_timer(d->event, &d->watchdog, on_watchdog, d);
    if (r >= 0 && service_watchdog_interval_usec() > 0)
        r = sd_event_source_set_enabled(d->watchdog, SD_EVENT_ONESHOT);
    return r;
}

static int add_workers(struct daemon *d) {
    static const struct dispatcher_handler dispatcher_handler = {.on_joined = on_joined,
                                                                 .on_away = on_away,
                                                                 .on_quiet = on_quiet,
                                                                 .on_bell_proved = on_bell_proved,
                                                                 .on_rung = on_rung,
                                                                 .on_task = on_task,
                                                                 .on_unfit = on_unfit,
                                                                 .on_drained = on_drained};
    static const struct planner_handler planner_handler = {
        .on_planned = on_planned, .on_ring_answered = on_ring_answered, .on_usable = on_usable, .on_bell_rung = on_bell_rung};
    struct dispatcher_options options;
    int r;

    fill_options(d, &options);
    r = dispatcher_new(d->event, &options, &dispatcher_handler, d, &d->dispatcher);
    if (r >= 0)
        r = planner_new(d->event, d->config->dsn, (unsigned) d->config->planners, &planner_handler, d, &d->planner);
    if (r >= 0)
        r = dispatcher_start(d->dispatcher);
    return r < 0 ? r : planner_start(d->planner);
}

static int start(struct daemon *d) {
    int r = sd_event_default(&d->event);

    if (r >= 0)
        r = add_signals(d);
    if (r >= 0)
        r = add_timers(d);
    if (r < 0)
        return r;
    if (d->config->enabled)
        return add_workers(d);
    log_notice("not enabled: this node neither plans nor sends (enabled, or WHATSAPP_ENABLED)");
    service_ready();
    service_status("not enabled: this node neither plans nor sends");
    return 0;
}

static void daemon_done(struct daemon *d) {
    sd_event_source_disable_unref(d->bell_proof);
    sd_event_source_disable_unref(d->drain_limit);
    sd_event_source_disable_unref(d->watchdog);
    sd_event_source_disable_unref(d->status);
    planner_free(d->planner);
    dispatcher_free(d->dispatcher);
    sd_event_unref(d->event);
    config_free(d->own_config);
}

int daemon_run(const struct config *config, const char *config_path) {
    struct daemon d __attribute__((cleanup(daemon_done))) = {.config = config, .config_path = config_path};
    int r;

    (void) prctl(PR_SET_DUMPABLE, 0); /* secrets are in its memory */
    log_open();
    log_set_level(config->log_level);
    r = start(&d);
    if (r >= 0)
        r = sd_event_loop(d.event);
    if (r < 0) {
        log_error("the daemon can't run: %s", strerror(-r));
        return 1;
    }
    return r;
}
