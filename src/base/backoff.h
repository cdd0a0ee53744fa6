/* Growing delays with full jitter: the next delay is uniform in [0, min(cap, base * 2^n)], n the failures so far, and at
 * least floor. Pure: the caller brings the random number. */
#pragma once

#include <stdint.h>

struct backoff {
    uint64_t floor_usec; /* least delay, so that nothing ever spins */
    uint64_t base_usec;
    uint64_t cap_usec;
    unsigned failures; /* in a row */
};

/* The delay after one more failure; counts it. random is any uniformly distributed 64-bit number. */
uint64_t backoff_next_usec(struct backoff *b, uint64_t random);

/* After a success. */
void backoff_reset(struct backoff *b);

/* A uniformly distributed number from the kernel. */
uint64_t random_u64(void);
