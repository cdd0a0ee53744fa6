/* One request and its answer on a connection of libmicrohttpd, with the pauses between them. */
#pragma once

#include <microhttpd.h>
#include <systemd/sd-event.h>

#include "base/cleanup.h"
#include "sandbox/contract.h"

struct exchange;

/* Exchanges that are suspended. All must be resumed before their daemon is stopped. */
struct exchange_lists {
    struct exchange *waiting; /* for a change */
    struct exchange *paused;  /* for their time, or for the client to leave */
    bool is_run_due;          /* one was resumed: libmicrohttpd only sees to it when it is run */
};

struct exchange {
    struct MHD_Connection *connection; /* borrowed */
    sd_event *event;                   /* borrowed */
    struct exchange_lists *lists;      /* borrowed */
    struct exchange *previous, *next;
    struct exchange **list;            /* the one it is in, or NULL: not suspended */
    sd_event_source *timer, *watch;
    struct buf body;
    uint64_t bytes_read;
    bool is_too_large;
    bool is_served;  /* the answer is filled */
    bool is_expired; /* the last pause ended by itself, or the client left */
    struct sandbox_reply answer;
};

int exchange_new(sd_event *event, struct exchange_lists *lists, struct MHD_Connection *c, struct exchange **ret)
        _must_check_;
struct exchange *exchange_free(struct exchange *x);

/* Each suspends the connection; afterwards libmicrohttpd asks its handler again. */
int exchange_pause(struct exchange *x, uint64_t usec) _must_check_; /* for a time */
int exchange_wait(struct exchange *x) _must_check_;                 /* until resumed, or for 25 s */
int exchange_hang(struct exchange *x) _must_check_;                 /* until the client leaves */

/* Ends the pause. */
void exchange_resume(struct exchange *x);

/* Queues the answer, as its manner has it. */
enum MHD_Result exchange_send(struct exchange *x);
