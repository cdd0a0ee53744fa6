/* Waiting for one connection that has no loop: for the command line.
 *
 * An interrupt (SIGINT) is held while a query runs, and asks the server to cancel it, so that nothing goes on behind the back
 * of a person who pressed Ctrl-C; a second one ends the process as usual. */
#include "io/pg.h"
#include "io/pg_internal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

#include "base/clock.h"

struct wait {
    struct pg *pg;
    struct pg_error *error;
    struct pg_result **ret; /* NULL: nobody wants the rows */
    bool done;
    int r;
};

static void on_connected(_unused_ struct pg *pg, void *userdata) {
    struct wait *w = userdata;

    w->done = true;
}

static void on_lost(_unused_ struct pg *pg, const struct pg_error *error, void *userdata) {
    struct wait *w = userdata;

    w->done = true;
    w->r = -EIO;
    *w->error = *error;
}

static void on_done(_unused_ struct pg *pg, const struct pg_result *result, const struct pg_error *error, void *userdata) {
    struct wait *w = userdata;

    w->done = true;
    if (error) {
        w->r = -EIO;
        *w->error = *error;
    } else if (w->ret && !(*w->ret = pg_result_take(result)))
        w->r = -ENOMEM;
}

/* Blocks SIGINT and gives a descriptor to wait for it, or -1. */
static int interrupt_open(sigset_t *ret_before) {
    sigset_t interrupt;

    (void) sigemptyset(&interrupt);
    (void) sigaddset(&interrupt, SIGINT);
    (void) sigprocmask(SIG_BLOCK, &interrupt, ret_before);
    return signalfd(-1, &interrupt, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* After the interrupt came: no longer held, so the next one ends the process. */
static void interrupted(struct wait *w, int *fd, const sigset_t *before) {
    struct signalfd_siginfo info;

    (void) !read(*fd, &info, sizeof(info));
    (void) close(*fd);
    *fd = -1;
    (void) sigprocmask(SIG_SETMASK, before, NULL);
    if (pg_cancel(w->pg) >= 0)
        return; /* the query's own end follows, as cancelled */
    w->done = true;
    w->r = -EINTR;
    pg_error_set(w->error, "interrupted");
}

static int timeout_msec(uint64_t deadline_usec) {
    uint64_t now_usec = clock_monotonic_usec();

    if (deadline_usec == 0)
        return -1;
    if (deadline_usec <= now_usec)
        return 0;
    uint64_t msec = (deadline_usec - now_usec + USEC_PER_MSEC - 1) / USEC_PER_MSEC;
    return msec > INT32_MAX ? INT32_MAX : (int) msec;
}

/* One round of poll. until_usec: the waiter's own end, 0 for none. */
static void turn(struct wait *w, int *interrupt_fd, const sigset_t *before, uint64_t until_usec) {
    const struct pg_watch *watch = pg_watched(w->pg);
    uint64_t deadline_usec = watch->deadline_usec;
    uint64_t first_usec = until_usec && (!deadline_usec || until_usec < deadline_usec) ? until_usec : deadline_usec;
    struct pollfd fds[2] = {
        {.fd = watch->fd, .events = watch->events},
        {.fd = *interrupt_fd, .events = POLLIN},
    };
    int n = poll(fds, 2, timeout_msec(first_usec));

    if (n > 0 && fds[1].revents)
        interrupted(w, interrupt_fd, before);
    if (n > 0 && fds[0].revents && !w->done)
        pg_dispatch(fds[0].revents, w->pg);
    else if (n == 0 && deadline_usec && clock_monotonic_usec() >= deadline_usec)
        pg_dispatch(0, w->pg);
}

static int wait_for(struct wait *w, uint64_t until_usec, bool (*enough)(struct wait *w)) {
    static const struct pg_handler handler = {.on_connected = on_connected, .on_lost = on_lost};
    sigset_t before;
    int interrupt_fd = interrupt_open(&before);

    pg_set_handler(w->pg, &handler, w);
    while (!w->done && !(enough && enough(w)) && !(until_usec && clock_monotonic_usec() >= until_usec))
        turn(w, &interrupt_fd, &before, until_usec);
    pg_set_handler(w->pg, NULL, NULL);
    closep(&interrupt_fd);
    (void) sigprocmask(SIG_SETMASK, &before, NULL);
    return w->r;
}

/* What could not even be started has no error text yet. */
static int not_started(struct pg_error *error, int r) {
    pg_error_set(error, "%s", r == -ENOTCONN ? "not connected to the database" : strerror(-r));
    error->connection_lost = r == -ENOTCONN;
    return -EIO;
}

int pg_wait_connect(struct pg *pg, struct pg_error *reterr) {
    struct wait w = {.pg = pg, .error = reterr};
    int r = pg_connect(pg);

    if (r < 0)
        return not_started(reterr, r);
    r = wait_for(&w, 0, NULL);
    if (r < 0)
        pg_disconnect(pg);
    return r < 0 ? -EIO : 0;
}

int pg_wait_query(struct pg *pg, enum query query, const char *const *parameters, struct pg_result **ret,
                  struct pg_error *reterr) {
    struct wait w = {.pg = pg, .error = reterr, .ret = ret};
    int r = pg_query(pg, query, parameters, UINT64_MAX, on_done, &w);

    if (r < 0)
        return not_started(reterr, r);
    r = wait_for(&w, 0, NULL);
    return r == -ENOMEM ? not_started(reterr, r) : r;
}

int pg_wait_script(struct pg *pg, const char *script, struct pg_error *reterr) {
    struct wait w = {.pg = pg, .error = reterr};
    int r = pg_query_script(pg, script, on_done, &w);

    return r < 0 ? not_started(reterr, r) : wait_for(&w, 0, NULL);
}

static bool is_notified(struct wait *w) {
    if (pg_was_notified(w->pg))
        w->done = true;
    return w->done;
}

int pg_wait_notify(struct pg *pg, uint64_t time_limit_usec, struct pg_error *reterr) {
    struct wait w = {.pg = pg, .error = reterr};

    if (!pg_is_idle(pg))
        return not_started(reterr, -ENOTCONN);
    int r = wait_for(&w, clock_monotonic_usec() + time_limit_usec, is_notified);
    if (r < 0)
        return r;
    return w.done ? 1 : 0;
}
