/* Wires: one transfer's libcurl handle each, and all of them (curl multi), without a loop: the only user of libcurl. What they want
 * of the loop goes to a watch; whoever has that calls wires_run() for it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "io/exchange.h"
#include "io/watch.h"

struct wire;
struct wires;

/* watch: borrowed. See http_new() for the rest. */
int wires_new(struct watch *watch, unsigned connections_max, struct wires **ret) _must_check_;

/* From now on nothing is wanted of the loop any more. */
void wires_close(struct wires *w);

/* Closes all connections; every wire must have been freed. NULL is allowed. */
struct wires *wires_free(struct wires *w);
DEFINE_CLEANUP(struct wires *, wires_free)

/* A descriptor is ready for some of EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP; -1: some time has passed. */
void wires_run(struct wires *w, int fd, uint32_t events);

/* When libcurl wants to run at the latest, UINT64_MAX: never. */
uint64_t wires_due_usec(const struct wires *w);

/* The userdata of a wire whose transfer has ended since, whole or not; NULL: of none. */
void *wires_reap(struct wires *w, bool *ret_is_whole);

/* exchange: borrowed, as it is at each start. */
int wire_new(struct wires *wires, struct exchange *exchange, void *userdata, struct wire **ret) _must_check_;
struct wire *wire_free(struct wire *w);
DEFINE_CLEANUP(struct wire *, wire_free)

/* Begins what the exchange says. A wire that carried a mail can't carry anything else. */
int wire_start(struct wire *w) _must_check_;

/* Takes the transfer out, whether it has ended or not; a mail's connection is closed. */
void wire_stop(struct wire *w);

/* How it ended; before wire_stop(). detail is borrowed until the next start. */
void wire_describe(const struct wire *w, struct exchange_result *ret);

/* Of a mail whose log-in has ended well: its socket, which libcurl does not watch any more, or -ENOTCONN. */
int wire_socket(const struct wire *w);

/* How many bytes of it; -EAGAIN; 0 (of the second) and -EPIPE: the connection is lost. */
ssize_t wire_send(struct wire *w, const char *bytes, size_t size);
ssize_t wire_receive(struct wire *w, char *bytes, size_t size);
