/* The only place that asks for the time. */
#pragma once

#include <stdint.h>

#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC UINT64_C(1000000)
#define USEC_PER_MINUTE (60 * USEC_PER_SEC)

/* Microseconds of CLOCK_MONOTONIC: for every delay and deadline. Jumps of the wall clock do not move it. */
uint64_t clock_monotonic_usec(void);

/* Microseconds since 1970 of CLOCK_REALTIME: for what a person reads, and for nothing else. */
uint64_t clock_wall_usec(void);
