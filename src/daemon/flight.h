/* One attempt: from the claim of its row until its outcome is recorded. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "daemon/account.h"
#include "gateway/gateway.h"

struct fleet;

enum { FLIGHT_REPLY_BYTES_MAX = 4096 }; /* of an answer, so much is kept in the row */

struct flight {
    struct message message; /* borrows from texts and document */
    struct account *account; /* referenced; NULL where the claim named a sender that no row described */
    struct outcome outcome;  /* once it has ended */
    const char *fault;       /* why the row can't be sent as it is, static; NULL: it can */
    char *reply;             /* the answer's body, valid UTF-8, at most FLIGHT_REPLY_BYTES_MAX; NULL where there was none */
    uint64_t started_usec;   /* monotonic */
    struct fleet *fleet;     /* the fleet's: borrowed, and where in its list of those in flight it stands */
    size_t place;
    bool is_held_back;       /* its row is locked by somebody */
    /* private */
    char *texts;
    struct json *document;
};

/* A claimed row. detail_json (a template, or {"media": …}) may be NULL; one that can't be read is the flight's fault. The account's
 * reference goes over to the flight, also where there is none for want of memory. */
int flight_new(int64_t id, int64_t attempt_id, const char *target, bool is_group, const char *body, const char *detail_json,
               struct account *account, struct flight **ret) _must_check_;

/* Keeps what the gateway answered, for the row. Without memory the row goes without it. */
void flight_keep_reply(struct flight *f, const struct reply *reply);

struct flight *flight_free(struct flight *f);
DEFINE_CLEANUP(struct flight *, flight_free)
