/* How an attempt can end, and the table form in which each gateway says it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "io/request.h"

enum outcome_kind {
    OUTCOME_ACCEPTED, /* the gateway took it, and gave it an id */
    OUTCOME_REJECTED, /* this message will never be taken: failed, with the gateway's reason */
    OUTCOME_WAIT,     /* not taken; the scope waits */
    OUTCOME_IN_DOUBT, /* it may have been taken */
};

/* Whose business it is when an attempt was not taken. Only SCOPE_MESSAGE spends an attempt. */
enum outcome_scope { SCOPE_MESSAGE, SCOPE_SENDER, SCOPE_TEMPLATE, SCOPE_RECIPIENT };

enum {
    OUTCOME_REASON_BYTES = 512,
    OUTCOME_MESSAGE_ID_BYTES = 256,
    WAIT_BY_BACKOFF = -1, /* wait_sec: nobody said how long; the database's back-off decides */
};

struct outcome {
    enum outcome_kind kind;
    enum outcome_scope scope; /* of a wait */
    int64_t wait_sec;         /* of a wait: as long as the gateway said, or WAIT_BY_BACKOFF */
    int status;               /* HTTP status, 0 without an answer */
    char message_id[OUTCOME_MESSAGE_ID_BYTES]; /* of an accepted one; "" else */
    char reason[OUTCOME_REASON_BYTES];         /* unless accepted: a sentence for a person; valid UTF-8, no secret */
};

/* The words the database takes: 'accepted', 'rejected', 'wait', 'in_doubt'; 'message', 'sender', 'template', 'recipient'. */
const char *outcome_kind_to_string(enum outcome_kind kind);
const char *outcome_scope_to_string(enum outcome_scope scope);

/* One row of a gateway's table. The first row that matches decides. */
struct outcome_rule {
    int status;          /* HTTP status; 0 any; 4 and 5: any 4xx, 5xx */
    int64_t code_min;    /* the gateway's own code, from … */
    int64_t code_max;    /* … to; both 0: any */
    const char *holds;   /* text that the answer must hold, or NULL */
    enum outcome_kind kind;
    enum outcome_scope scope;
    int64_t wait_sec;    /* WAIT_BY_BACKOFF, or a least wait; a longer Retry-After wins */
    const char *meaning; /* for a person, with the remedy where there is one */
};

/* Applies the first matching row of the table, which must end with a row that matches everything. detail (may be NULL) is the
 * gateway's own text, appended to the meaning. */
void outcome_classify(const struct outcome_rule *table, const struct reply *reply, int64_t code, const char *detail,
                      struct outcome *ret);

/* An outcome made by hand. */
void outcome_set(struct outcome *o, enum outcome_kind kind, enum outcome_scope scope, int64_t wait_sec, int status,
                 const char *format, ...) _printf_(6, 7);
