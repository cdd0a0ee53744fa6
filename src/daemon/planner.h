/* The planner: a small pool of connections on which rules are evaluated, apart from deliveries. One task is one rule's captured
 * events or one rule's sweep, at most one task a rule at a time; a sweep never takes the last free connection. Events of rules
 * come before sweeps, but while they gather. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/cleanup.h"
#include "daemon/store.h"

struct planner;

struct planner_handler {
    /* A task ended: something may be due, or further tasks. */
    void (*on_planned)(void *userdata);
    /* What planner_answer_ring() began has ended. result: rows of herald.turn_row, or NULL where nothing came of it; is_lost: the
     * connection was lost, and nobody knows whether something was claimed. */
    void (*on_ring_answered)(const struct pg_result *result, bool is_lost, void *userdata);
    /* All connections that could be made are made, or one of them: the bell can be proved. */
    void (*on_usable)(void *userdata);
    /* What planner_prove_bell() began has ended; false: its connection was lost, perhaps before it rang. */
    void (*on_bell_rung)(bool rung, void *userdata);
};

int planner_new(sd_event *event, const char *conninfo, unsigned connections, const struct planner_handler *handler,
                void *userdata, struct planner **ret) _must_check_;
struct planner *planner_free(struct planner *p);
DEFINE_CLEANUP(struct planner *, planner_free)

/* Connects, and connects again with back-off whenever a connection is lost. */
int planner_start(struct planner *p) _must_check_;

/* Ends: no further task is begun. Tasks under way are left to the server. */
void planner_stop(struct planner *p);

/* A task that a look found. Nothing happens where it waits or runs already. can_wait: what its events make could not leave at
 * once, so they may gather to larger batches, which cost less each. */
int planner_submit(struct planner *p, const char *rule, bool is_sweep, uint64_t time_limit_usec, bool can_wait);

/* Plans the captured events of whichever rule has some, without a look before, and claims up to room messages for the daemon.
 * -EAGAIN: no connection is free now. */
int planner_answer_ring(struct planner *p, const struct store_identity *identity, unsigned room) _must_check_;

/* Rings with this nonce, from a session of the pool. -EAGAIN: none is free now. */
int planner_prove_bell(struct planner *p, const char *nonce) _must_check_;

/* Whether a connection is free, so that a task of events would begin at once. */
bool planner_is_free(const struct planner *p);
