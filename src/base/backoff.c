#include "base/backoff.h"

#include <errno.h>
#include <sys/random.h>

#include "base/clock.h"

uint64_t backoff_next_usec(struct backoff *b, uint64_t random) {
    uint64_t ceiling = b->base_usec;
    uint64_t delay;

    for (unsigned i = 0; i < b->failures && ceiling < b->cap_usec; i++)
        ceiling = ceiling > UINT64_MAX / 2 ? UINT64_MAX : ceiling * 2;
    if (ceiling > b->cap_usec)
        ceiling = b->cap_usec;
    if (b->failures < UINT32_MAX)
        b->failures++;

    /* The product's upper half scales without a modulo's bias. */
    delay = (uint64_t) (((unsigned __int128) random * ((unsigned __int128) ceiling + 1)) >> 64);
    return delay > b->floor_usec ? delay : b->floor_usec;
}

void backoff_reset(struct backoff *b) {
    b->failures = 0;
}

uint64_t random_u64(void) {
    uint64_t number;
    ssize_t n;

    do
        n = getrandom(&number, sizeof(number), 0);
    while (n < 0 && errno == EINTR);

    /* Kernels that refuse it are older than any we run on; jitter of a poor kind is better than none. */
    if (n != (ssize_t) sizeof(number))
        number = clock_monotonic_usec() * UINT64_C(0x9e3779b97f4a7c15);
    return number;
}
