/* A planner task: one rule's captured events or one rule's sweep; and a queue of them, in order of arrival. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "daemon/store.h"

struct task {
    struct task *next; /* in a queue */
    char *rule;
    bool is_sweep;
    bool is_ring; /* of no rule yet: rule is "" */
    struct store_identity claimer; /* of a ring */
    unsigned room;                 /* likewise */
    unsigned batch;
    uint64_t time_limit_usec;
    uint64_t not_before; /* monotonic */
    bool gathers; /* for no other reason than that does it wait until then */
    uint64_t begun_usec;  /* monotonic */
    unsigned losses;     /* times in a row that the connection was lost while it ran */
    char *failure;       /* to be recorded before anything else of it; NULL: none */
    unsigned unrecorded; /* times that its failure could not be recorded */
};

/* Of events, which may begin at once; all else is the caller's to set. NULL: no memory. */
struct task *task_new(const char *rule, unsigned batch, uint64_t time_limit_usec);
struct task *task_free(struct task *t);

bool task_is(const struct task *t, const char *rule, bool is_sweep);

/* Takes it over, as the last. */
void task_enqueue(struct task **queue, struct task *t);

/* The rule's in the queue; NULL: there is none. */
struct task *task_find(struct task *queue, const char *rule, bool is_sweep);
