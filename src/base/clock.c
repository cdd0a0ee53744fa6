#include "base/clock.h"

#include <assert.h>
#include <time.h>

static uint64_t clock_usec(clockid_t id) {
    struct timespec now;
    int r;

    r = clock_gettime(id, &now);
    assert(r == 0); /* both clocks exist on every Linux */
    (void) r;
    return (uint64_t) now.tv_sec * USEC_PER_SEC + (uint64_t) now.tv_nsec / 1000;
}

uint64_t clock_monotonic_usec(void) {
    return clock_usec(CLOCK_MONOTONIC);
}

uint64_t clock_wall_usec(void) {
    return clock_usec(CLOCK_REALTIME);
}
