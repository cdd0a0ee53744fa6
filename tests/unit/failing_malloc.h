/* Lets the nth allocation of the code under test fail (after cmocka's header). The test program links with the flags of FAILING_MALLOC:
 * -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup */
#pragma once

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *pointer, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *pointer, size_t size);
char *__wrap_strdup(const char *text);

/* How many allocations succeed before one fails; negative: none fails. Only one does, so that a caller who goes on after a
 * failure is found out. */
static long allocations_left = -1;

static bool allocation_fails(void) {
    return allocations_left >= 0 && allocations_left-- == 0;
}

void *__wrap_malloc(size_t size) {
    return allocation_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    return allocation_fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *pointer, size_t size) {
    return allocation_fails() ? NULL : __real_realloc(pointer, size);
}

char *__wrap_strdup(const char *text) {
    return allocation_fails() ? NULL : __real_strdup(text);
}

/* Calls attempt() with the first allocation failing, then with the second alone, and so on, until one call needed fewer. Each that
 * met a failure must return error, and the last one 0. How many allocations there are. */
static _unused_ long fail_each_allocation(int (*attempt)(void), int error) {
    for (long n = 0;; n++) {
        bool has_failed;
        int r;

        allocations_left = n;
        r = attempt();
        has_failed = allocations_left < 0;
        allocations_left = -1;
        if (r != (has_failed ? error : 0))
            fail_msg("allocation %ld %s, and the result is %d", n, has_failed ? "failed" : "was not needed", r);
        if (!has_failed)
            return n;
    }
}
