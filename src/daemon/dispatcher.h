/* The dispatcher: one connection that takes turns (records outcomes, claims messages), listens for the bell, and knows when to
 * look again; and the messages in flight. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/cleanup.h"
#include "daemon/store.h"

struct dispatcher;

struct dispatcher_options {
    const char *conninfo;        /* borrowed until dispatcher_free() */
    const char *node;            /* likewise */
    const char *credentials_dir; /* likewise, until the next dispatcher_reload() */
    unsigned max_in_flight;
    int64_t schema_version; /* what this program knows */
};

struct dispatcher_handler {
    /* Joined, for the first time or again: ready, once the bell is proved. */
    void (*on_joined)(void *userdata);
    /* The database is away, or still is, as one more attempt showed; on_joined follows when it is back. */
    void (*on_away)(const char *reason, void *userdata);
    /* After dispatcher_expect_nonce(): it is idle and stays so; now it may be rung for. */
    void (*on_quiet)(void *userdata);
    /* The bell was heard: dispatcher_expect_nonce(). */
    void (*on_bell_proved)(void *userdata);
    /* It was rung for while it slept. True: the planner looks for events at once, claims up to room messages for this daemon, and
     * dispatcher_take_over() follows; so no look is needed first. */
    bool (*on_rung)(const struct store_identity *identity, unsigned room, void *userdata);
    /* A look found work for the planner. can_wait: what it makes would have to wait for what is due already. */
    void (*on_task)(const char *rule, bool is_sweep, uint64_t time_limit_usec, bool can_wait, void *userdata);
    /* It can't go on: another daemon has the node's name, or the schema is another. reason is for a person. */
    void (*on_unfit)(const char *reason, void *userdata);
    /* After dispatcher_drain(): nothing is in flight any more, and everything is recorded. */
    void (*on_drained)(void *userdata);
};

/* Figures for a status line. */
struct dispatcher_figures {
    bool is_connected;
    bool is_asleep;
    unsigned in_flight;
    unsigned unrecorded;
    uint64_t accepted; /* since the start */
};

int dispatcher_new(sd_event *event, const struct dispatcher_options *options, const struct dispatcher_handler *handler,
                   void *userdata, struct dispatcher **ret) _must_check_;
struct dispatcher *dispatcher_free(struct dispatcher *d);
DEFINE_CLEANUP(struct dispatcher *, dispatcher_free)

/* Connects, and connects again with back-off whenever the connection is lost. */
int dispatcher_start(struct dispatcher *d) _must_check_;

/* What came of a ring: see planner_handler.on_ring_answered. */
void dispatcher_take_over(struct dispatcher *d, const struct pg_result *result, bool is_lost);

/* Somebody knows that there is something to find: look. */
void dispatcher_look(struct dispatcher *d);

/* The bell is to be proved: it begins nothing more, on_quiet follows as soon as it is idle, and on_bell_proved when a notification
 * with this payload is heard. It must be idle for that: a pooler may hand a busy one the notifications of the session that it
 * happens to be lent. Until then, dispatcher_trust_bell(), or "" for an end without a result. */
void dispatcher_expect_nonce(struct dispatcher *d, const char *nonce);

/* Whether the bell can be relied on; else it looks every second. */
void dispatcher_trust_bell(struct dispatcher *d, bool trust);

/* Secrets are read again; other limits hold from the next turn on. */
void dispatcher_reload(struct dispatcher *d, const struct dispatcher_options *options);

/* Claims nothing more; what is in flight ends and is recorded. */
void dispatcher_drain(struct dispatcher *d);

void dispatcher_get_figures(const struct dispatcher *d, struct dispatcher_figures *ret);
