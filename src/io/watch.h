/* Many descriptors, one timer and one deferred call on an sd-event loop, made for many short uses.
 *
 * sd-event dispatches one source a pass and asks the kernel again in between, which is dear when hundreds of sockets are ready
 * at once. Here they stand in an epoll set of their own, and one pass hands out all that are ready. A socket that is kept stays
 * registered for reading while nothing is wanted of it, so that the next use costs no system call. */
#pragma once

#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/cleanup.h"

struct watch;

struct watch_handler {
    /* A descriptor is ready, for some of the EPOLLIN and EPOLLOUT wanted of it, or with EPOLLERR or EPOLLHUP. */
    void (*on_ready)(int fd, uint32_t events, void *userdata);
    /* The timer went off, perhaps early; it has to be armed again. */
    void (*on_timer)(void *userdata);
    /* watch_kick() was called since the last time. */
    void (*on_kick)(void *userdata);
    /* After all of these in one pass of the loop. */
    void (*on_pass_end)(void *userdata);
};

/* handler is copied. */
int watch_new(sd_event *event, const struct watch_handler *handler, void *userdata, struct watch **ret) _must_check_;

/* NULL is allowed. The descriptors stay open; never from inside a callback. */
struct watch *watch_free(struct watch *w);
DEFINE_CLEANUP(struct watch *, watch_free)

/* What is wanted of the descriptor from now on: EPOLLIN, EPOLLOUT, both, or 0. */
int watch_set(struct watch *w, int fd, uint32_t events);

/* A socket was opened under this number. From the first time that reading is wanted of it until watch_forget() it is kept. What
 * is wanted of the number already stays wanted: it may be in use anew before its owner heard that it was closed. */
int watch_open(struct watch *w, int fd) _must_check_;

/* Must be called before a kept descriptor is closed. */
void watch_forget(struct watch *w, int fd);

/* The timer goes off at due_usec of CLOCK_MONOTONIC or earlier. It is never put off, since one that goes off early now and
 * then costs less than setting it for each of many short transfers. */
int watch_arm(struct watch *w, uint64_t due_usec);

/* on_kick is called in the next pass of the loop, once for any number of kicks. */
void watch_kick(struct watch *w);
