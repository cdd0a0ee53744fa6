/* The messages in flight: sends them through their gateways, and keeps their outcomes until they are recorded. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/cleanup.h"
#include "daemon/flight.h"

struct fleet;

/* One has ended; it is in fleet_get_finished(). Called from the loop, never from fleet_launch(). */
typedef void (*fleet_landed_fn)(const struct flight *f, void *userdata);

int fleet_new(sd_event *event, unsigned connections, fleet_landed_fn landed, void *userdata, struct fleet **ret) _must_check_;
struct fleet *fleet_free(struct fleet *fleet);
DEFINE_CLEANUP(struct fleet *, fleet_free)

/* Sends a claimed message; the fleet owns it from here on. unsent: it is not to leave, only to be given back. */
void fleet_launch(struct fleet *fleet, struct flight *f, uint64_t time_limit_usec, bool unsent);

size_t fleet_in_flight(const struct fleet *fleet);
uint64_t fleet_accepted(const struct fleet *fleet);
int64_t fleet_last_attempt(const struct fleet *fleet); /* the highest that it ever had */

/* Those that have ended and are not recorded, in order; borrowed until the next call that changes them. */
size_t fleet_finished(const struct fleet *fleet);
void fleet_get_finished(const struct fleet *fleet, struct flight ***ret, size_t *ret_count);
uint64_t fleet_oldest_finished_usec(const struct fleet *fleet); /* when the first of them ended, monotonic */

/* The first count of them are recorded: they are forgotten, but for those of fleet_hold_back(). */
void fleet_recorded(struct fleet *fleet, size_t count);

/* This one of them could not be recorded now: it is held back for a while when the others are recorded. */
void fleet_hold_back(struct fleet *fleet, int64_t attempt_id);

/* Those held back whose time has come are among the finished again. */
void fleet_release(struct fleet *fleet, uint64_t now_usec);
uint64_t fleet_release_usec(const struct fleet *fleet); /* when that is, monotonic; UINT64_MAX: none is held back */

/* The first of them could not be recorded by itself, with this SQLSTATE, where a turn without it could: it is tried again after the
 * others; where the fault may be its own, without its reply, and then as one in doubt, for which little can fail. */
void fleet_blame_first(struct fleet *fleet, const char *sqlstate);

/* None is in flight, and all that have ended are recorded. */
bool fleet_is_done(const struct fleet *fleet);

/* Those that must be given back. Borrowed. */
void fleet_get_unsent(const struct fleet *fleet, struct flight ***ret, size_t *ret_count);

/* All of them: in flight, ended, unsent. Borrowed until the next call. */
void fleet_all(struct fleet *fleet, struct flight ***ret, size_t *ret_count);
