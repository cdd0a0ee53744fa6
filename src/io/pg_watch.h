/* The socket and the deadline of one connection, on sd-event or (event NULL) noted for an outer poll(). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/cleanup.h"

/* events: POLLIN, POLLOUT, …; 0: the deadline has passed. */
typedef void (*pg_ready_fn)(short events, void *userdata);

struct pg_watch {
    sd_event *event;
    sd_event_source *io;
    sd_event_source *timer;
    int fd;                 /* -1: none */
    short events;           /* waited for */
    uint64_t deadline_usec; /* of the monotonic clock; 0: none */
    uint64_t armed_usec;    /* when the timer fires: at the deadline or before, so that most queries need not touch it */
    pg_ready_fn ready;
    void *userdata;
};

int pg_watch_init(struct pg_watch *w, sd_event *event, pg_ready_fn ready, void *userdata) _must_check_;
void pg_watch_done(struct pg_watch *w);

/* Waits for these events on the socket. fresh: it may be another socket than before, even under the same number (epoll forgets
 * a closed one silently). */
int pg_watch_socket(struct pg_watch *w, int fd, short events, bool fresh) _must_check_;

/* Before the socket is closed. */
void pg_watch_forget(struct pg_watch *w);

/* 0: none. The past: ready is called from the loop at once. */
void pg_watch_deadline(struct pg_watch *w, uint64_t deadline_usec);

/* Whether it has passed. */
bool pg_watch_is_past(const struct pg_watch *w);
