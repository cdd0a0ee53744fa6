/* Takes receipts and notices to the database, on a connection of its own: what comes while a batch is being recorded, by
 * herald.receive() and then herald.hear(), goes together with the next. */
#pragma once

#include <systemd/sd-event.h>

#include "web/batch.h"

struct intake;

struct intake_handler {
    void (*on_connected)(void *userdata);
    /* Once for each time that it was lost; text is foreign. */
    void (*on_lost)(const char *text, void *userdata);
    /* The database refused a call; foreign text. */
    void (*on_refused)(const char *text, void *userdata);
};

int intake_new(sd_event *event, const char *conninfo, const struct intake_handler *handler, void *userdata,
               struct intake **ret) _must_check_;

/* Whoever still waits is told -ECANCELED. NULL is allowed. */
struct intake *intake_free(struct intake *in);
DEFINE_CLEANUP(struct intake *, intake_free)

bool intake_is_connected(const struct intake *in);
bool intake_is_idle(const struct intake *in);

/* Where receipts and notices can be added now, before intake_wait(); NULL: not connected, or too many wait already. */
struct batch *intake_open(struct intake *in);

/* waiter is told when what was added is recorded, from the loop or at once. */
void intake_wait(struct intake *in, struct batch_waiter *waiter);
