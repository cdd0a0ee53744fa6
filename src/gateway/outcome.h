/* How an attempt can end, and the table form in which each gateway says it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "io/request.h"

enum outcome_kind {
    OUTCOME_ACCEPTED, /* the gateway took it, and gave it an id */
    OUTCOME_REJECTED, /* this message will never be taken: failed, with the gateway's reason. Of SCOPE_RECIPIENT: nor will any
                         other, as the recipient has opted out */
    OUTCOME_WAIT,     /* not taken; the scope waits */
    OUTCOME_IN_DOUBT, /* it may have been taken. Of SCOPE_SENDER: the next one might as well, so the sender waits */
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
    enum outcome_scope scope; /* unless accepted */
    int64_t wait_sec;         /* of a wait: as long as the gateway said, or WAIT_BY_BACKOFF */
    int status;               /* HTTP status, 0 without an answer */
    char message_id[OUTCOME_MESSAGE_ID_BYTES]; /* of an accepted one; "" else */
    char reason[OUTCOME_REASON_BYTES];         /* unless accepted: a sentence for a person; valid UTF-8, no secret */
};

/* The words the database takes: 'accepted', 'rejected', 'wait', 'in_doubt'; 'message', 'sender', 'template', 'recipient'. */
const char *outcome_kind_to_string(enum outcome_kind kind);
const char *outcome_scope_to_string(enum outcome_scope scope);

/* Codes that no gateway has: "it gave none", and its code 0, since 0 in a row means any. */
#define OUTCOME_CODE_NONE INT64_MIN
#define OUTCOME_CODE_ZERO (INT64_MIN + 1)

/* One row of a gateway's table. The first row that matches decides. */
struct outcome_rule {
    int status;          /* HTTP status; 0 any; 1 to 5: any 1xx … 5xx */
    int64_t code_min;    /* the gateway's own code, from … */
    int64_t code_max;    /* … to; both 0: any, and none */
    const char *holds;   /* text that the answer or the detail must hold (ASCII letters in either case), or NULL */
    enum outcome_kind kind;
    enum outcome_scope scope;
    int64_t wait_sec;    /* WAIT_BY_BACKOFF, or a least wait; a longer Retry-After wins */
    const char *meaning; /* for a person, with the remedy where there is one */
};

/* In a row: what the scope waits for, and how long. */
#define WAIT(s, seconds) .kind = OUTCOME_WAIT, .scope = SCOPE_##s, .wait_sec = (seconds)

/* The first row of the table that matches; the table must end with a row that matches everything. */
const struct outcome_rule *outcome_match(const struct outcome_rule *table, const struct reply *reply, int64_t code,
                                         const char *detail);

/* Applies the first matching row. detail (may be NULL) is the gateway's own text, of which scrub_text() took out what must not
 * be seen; it is appended to the meaning. Long runs of digits in it are masked here once more. */
void outcome_classify(const struct outcome_rule *table, const struct reply *reply, int64_t code, const char *detail,
                      struct outcome *ret);

/* Accepted under the gateway's id (NULL where this gateway gives none). Returns false, and changes nothing, where the id
 * can't be kept as it is: empty, too long, or with control bytes or U+FFFD (a NUL or a byte that was no UTF-8). */
bool outcome_accept(struct outcome *o, int status, const char *id) _must_check_;

/* An outcome made by hand. The text may not hold what scrub_text() would take out; it is cut between characters. */
void outcome_set(struct outcome *o, enum outcome_kind kind, enum outcome_scope scope, int64_t wait_sec, int status,
                 const char *format, ...) _printf_(6, 7);
