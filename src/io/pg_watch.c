#include "io/pg_watch.h"

#include <assert.h>
#include <poll.h>
#include <sys/epoll.h>

#include "base/clock.h"

static_assert(POLLIN == EPOLLIN && POLLOUT == EPOLLOUT && POLLERR == EPOLLERR && POLLHUP == EPOLLHUP,
              "Linux has one set of numbers for both");

static int on_io(_unused_ sd_event_source *source, _unused_ int fd, uint32_t revents, void *userdata) {
    struct pg_watch *w = userdata;

    w->ready((short) revents, w->userdata);
    return 0;
}

static int on_timer(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
    struct pg_watch *w = userdata;

    w->armed_usec = 0;
    if (w->deadline_usec == 0)
        return 0;
    if (clock_monotonic_usec() < w->deadline_usec)
        pg_watch_deadline(w, w->deadline_usec);
    else {
        w->deadline_usec = 0;
        w->ready(0, w->userdata);
    }
    return 0;
}

int pg_watch_init(struct pg_watch *w, sd_event *event, pg_ready_fn ready, void *userdata) {
    *w = (struct pg_watch) {.fd = -1, .ready = ready, .userdata = userdata};
    if (!event)
        return 0;
    w->event = sd_event_ref(event);
    int r = sd_event_add_time(event, &w->timer, CLOCK_MONOTONIC, 0, 10 * USEC_PER_MSEC, on_timer, w);
    return r < 0 ? r : sd_event_source_set_enabled(w->timer, SD_EVENT_OFF);
}

void pg_watch_done(struct pg_watch *w) {
    pg_watch_forget(w);
    w->timer = sd_event_source_disable_unref(w->timer);
    w->event = sd_event_unref(w->event);
}

int pg_watch_socket(struct pg_watch *w, int fd, short events, bool fresh) {
    int r = 0;

    if (w->event && (fresh || !w->io)) {
        pg_watch_forget(w);
        r = sd_event_add_io(w->event, &w->io, fd, (uint32_t) events, on_io, w);
    } else if (w->io && events != w->events)
        r = sd_event_source_set_io_events(w->io, (uint32_t) events);
    w->fd = fd;
    w->events = events;
    return r < 0 ? r : 0;
}

void pg_watch_forget(struct pg_watch *w) {
    w->io = sd_event_source_disable_unref(w->io);
    w->fd = -1;
}

void pg_watch_deadline(struct pg_watch *w, uint64_t deadline_usec) {
    w->deadline_usec = deadline_usec;
    if (!w->event || deadline_usec == 0 || (w->armed_usec != 0 && w->armed_usec <= deadline_usec))
        return;
    w->armed_usec = deadline_usec;
    (void) sd_event_source_set_time(w->timer, deadline_usec);
    (void) sd_event_source_set_enabled(w->timer, SD_EVENT_ONESHOT);
}

bool pg_watch_is_past(const struct pg_watch *w) {
    return w->deadline_usec != 0 && clock_monotonic_usec() >= w->deadline_usec;
}
