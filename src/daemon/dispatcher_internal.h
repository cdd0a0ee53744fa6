/* What dispatcher.c and joining.c share; for nobody else. */
#pragma once

#include "base/backoff.h"
#include "daemon/account.h"
#include "daemon/bell.h"
#include "daemon/dispatcher.h"
#include "daemon/fleet.h"
#include "daemon/inquiries.h"
#include "daemon/store.h"

enum { NONCE_BYTES = 40 };

/* What the connection is doing. */
enum stage { STAGE_AWAY, STAGE_LISTENING, STAGE_JOINING, STAGE_TURNING, STAGE_LEAVING, STAGE_LEFT };

struct dispatcher {
    sd_event *event;
    struct dispatcher_options options;
    struct dispatcher_handler handler;
    void *userdata;
    struct pg *pg;
    struct fleet *fleet;
    struct inquiries *inquiries;
    struct accounts accounts;
    struct store_identity identity;
    struct bell bell;
    enum stage stage;
    sd_event_source *timer;     /* the next thing to do by the clock */
    sd_event_source *reconnect;
    struct backoff backoff;
    uint64_t timer_at;
    uint64_t due_at;        /* when something is due in the database, UINT64_MAX: nothing */
    uint64_t held_off_until; /* no turn before: the last one failed, or found rows that it could not claim */
    uint64_t complained_at;
    size_t recording;       /* outcomes in the turn under way */
    size_t record_most;     /* how many go into one turn: fewer after one failed */
    unsigned failed_turns;  /* in a row */
    char suspect[6];        /* SQLSTATE of a turn that failed with one outcome, so that the next one records none; "" */
    unsigned room;          /* of the turn under way */
    unsigned lent;          /* room of the planner, which answers a ring and may claim so many */
    int64_t lent_joins;     /* identity.joins when it was lent */
    uint64_t lent_at;
    uint64_t request_limit_usec;
    uint64_t wakes[STORE_WAKES];
    bool more_due;
    bool is_draining;
    bool was_lost;
    bool is_bell_silent; /* it was not heard when it was rung to prove it */
    char nonce[NONCE_BYTES]; /* "" unless the bell is being proved */
    bool is_quiet;           /* on_quiet was told */
};

/* Joined, or a statement ended: starts the next one. */
void dispatcher_pump(struct dispatcher *d);

/* joining.c: from a connection that is made to a daemon that has joined, and what comes of losing it. */
void joining_on_connected(struct pg *pg, void *userdata);
void joining_on_lost(struct pg *pg, const struct pg_error *error, void *userdata);
int joining_on_reconnect(sd_event_source *source, uint64_t usec, void *userdata);

/* For what can't be waited for: breaks the connection off, and begins anew. */
void joining_start_over(struct dispatcher *d, const char *why);

/* Whether this program knows the schema; else the dispatcher is told to be unfit. */
bool joining_check_schema(struct dispatcher *d, int64_t version);
