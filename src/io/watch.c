#include "io/watch.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <time.h>

enum { EVENTS_PER_PASS = 128, FDS_MAX = 1 << 20, FDS_STEP = 64, TIMER_ACCURACY_USEC = 1000 };

struct entry {
    uint32_t wanted;
    uint32_t registered; /* what the kernel knows; 0: not in the set */
    uint32_t generation; /* tells an event of an earlier descriptor of the same number */
    bool is_open; /* watch_open() was called */
    bool is_kept;
};

struct watch {
    struct watch_handler handler;
    void *userdata;
    sd_event_source *source;
    sd_event_source *timer;
    sd_event_source *kick;
    uint64_t armed_usec; /* when the timer goes off; UINT64_MAX: never */
    int epoll_fd;
    bool is_kicked;
    struct entry *entries; /* by descriptor */
    size_t entries_allocated;
};

static int entry_get(struct watch *w, int fd, struct entry **ret) {
    size_t allocated;
    struct entry *entries;

    if (fd < 0 || fd >= FDS_MAX)
        return -EBADF;
    if ((size_t) fd >= w->entries_allocated) {
        allocated = ((size_t) fd / FDS_STEP + 1) * FDS_STEP;
        entries = realloc(w->entries, allocated * sizeof(*entries));
        if (!entries)
            return -ENOMEM;
        for (size_t i = w->entries_allocated; i < allocated; i++)
            entries[i] = (struct entry) {0};
        w->entries = entries;
        w->entries_allocated = allocated;
    }
    *ret = &w->entries[fd];
    return 0;
}

static int register_events(struct watch *w, int fd, struct entry *e, uint32_t events) {
    struct epoll_event event = {.events = events};
    int r;

    if (e->registered == events)
        return 0;
    event.data.u64 = (uint64_t) e->generation << 32 | (uint32_t) fd;
    r = epoll_ctl(w->epoll_fd, events == 0 ? EPOLL_CTL_DEL : e->registered == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
    if (r < 0 && errno == ENOENT && events != 0) /* closed, and another was opened under its number */
        r = epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &event);
    e->registered = r < 0 ? 0 : events;
    return r < 0 ? -errno : 0;
}

static void entry_clear(struct entry *e) {
    *e = (struct entry) {.generation = e->generation + 1};
}

int watch_set(struct watch *w, int fd, uint32_t events) {
    struct entry *e;
    int r;

    r = entry_get(w, fd, &e);
    if (r < 0)
        return r;
    e->wanted = events;
    if (e->is_open && (events & EPOLLIN))
        e->is_kept = true;
    if (events == 0 && e->is_kept)
        /* Readiness to write would come at once; to read, only when the peer ends the idle connection. */
        return e->registered == 0 ? 0 : register_events(w, fd, e, EPOLLIN);
    r = register_events(w, fd, e, events);
    if (events == 0)
        entry_clear(e);
    return r;
}

int watch_open(struct watch *w, int fd) {
    struct entry *e;
    uint32_t wanted;
    int r;

    r = entry_get(w, fd, &e);
    if (r < 0)
        return r;
    wanted = e->wanted;
    entry_clear(e);
    e->is_open = true;
    return wanted == 0 ? 0 : watch_set(w, fd, wanted);
}

void watch_forget(struct watch *w, int fd) {
    struct entry *e;

    if (entry_get(w, fd, &e) < 0)
        return;
    (void) register_events(w, fd, e, 0);
    entry_clear(e);
}

static void hand_out(struct watch *w, const struct epoll_event *event) {
    int fd = (int) (uint32_t) event->data.u64;
    struct entry *e = &w->entries[fd];

    if (e->registered == 0 || e->generation != event->data.u64 >> 32)
        return; /* closed, or closed and reused, by what was handed out before */
    if (e->wanted == 0) {
        /* The peer ended an idle connection: nothing to do until its owner looks at it, but hear no more of it. */
        (void) register_events(w, fd, e, 0);
        return;
    }
    w->handler.on_ready(fd, event->events, w->userdata);
}

static int on_readable(_unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t revents, void *userdata) {
    struct watch *w = userdata;
    struct epoll_event events[EVENTS_PER_PASS];
    int count;

    count = epoll_wait(w->epoll_fd, events, EVENTS_PER_PASS, 0);
    for (int i = 0; i < count; i++)
        hand_out(w, &events[i]);
    w->handler.on_pass_end(w->userdata);
    return 0;
}

static int on_timer(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
    struct watch *w = userdata;

    w->armed_usec = UINT64_MAX;
    w->handler.on_timer(w->userdata);
    w->handler.on_pass_end(w->userdata);
    return 0;
}

static int on_kick(_unused_ sd_event_source *source, void *userdata) {
    struct watch *w = userdata;

    w->is_kicked = false;
    w->handler.on_kick(w->userdata);
    w->handler.on_pass_end(w->userdata);
    return 0;
}

int watch_arm(struct watch *w, uint64_t due_usec) {
    int r;

    if (due_usec >= w->armed_usec)
        return 0;
    r = sd_event_source_set_time(w->timer, due_usec);
    if (r < 0)
        return r;
    r = sd_event_source_set_enabled(w->timer, SD_EVENT_ONESHOT);
    if (r < 0)
        return r;
    w->armed_usec = due_usec;
    return 0;
}

void watch_kick(struct watch *w) {
    if (!w->is_kicked && sd_event_source_set_enabled(w->kick, SD_EVENT_ONESHOT) >= 0)
        w->is_kicked = true;
}

static int add_sources(struct watch *w, sd_event *event) {
    int r;

    r = sd_event_add_io(event, &w->source, w->epoll_fd, EPOLLIN, on_readable, w);
    if (r < 0)
        return r;
    r = sd_event_add_time(event, &w->timer, CLOCK_MONOTONIC, UINT64_MAX, TIMER_ACCURACY_USEC, on_timer, w);
    if (r < 0)
        return r;
    r = sd_event_source_set_enabled(w->timer, SD_EVENT_OFF);
    if (r < 0)
        return r;
    r = sd_event_add_defer(event, &w->kick, on_kick, w);
    if (r < 0)
        return r;
    return sd_event_source_set_enabled(w->kick, SD_EVENT_OFF);
}

int watch_new(sd_event *event, const struct watch_handler *handler, void *userdata, struct watch **ret) {
    _cleanup_(watch_freep) struct watch *w = NULL;
    int r;

    w = malloc(sizeof(*w));
    if (!w)
        return -ENOMEM;
    *w = (struct watch) {.handler = *handler, .userdata = userdata, .armed_usec = UINT64_MAX};
    w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (w->epoll_fd < 0)
        return -errno;
    r = add_sources(w, event);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(w);
    return 0;
}

struct watch *watch_free(struct watch *w) {
    if (!w)
        return NULL;
    sd_event_source_disable_unref(w->kick);
    sd_event_source_disable_unref(w->timer);
    sd_event_source_disable_unref(w->source);
    closep(&w->epoll_fd);
    free(w->entries);
    free(w);
    return NULL;
}
