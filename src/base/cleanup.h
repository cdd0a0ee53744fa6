/* Cleanup attributes: a local that owns something says so where it is declared. */
#pragma once

#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _must_check_ __attribute__((warn_unused_result))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _unused_ __attribute__((unused))

/* Moves ownership out of a pointer variable: yields its value and leaves NULL behind. */
#define TAKE_PTR(p)                 \
    ({                              \
        __typeof__(p) taken_ = (p); \
        (p) = NULL;                 \
        taken_;                     \
    })

#define ELEMENTSOF(a) (sizeof(a) / sizeof((a)[0]))

/* Declares NAMEp(), for _cleanup_(NAMEp), from a destructor that takes NULL. */
#define DEFINE_CLEANUP(type, name)             \
    static inline _unused_ void name##p(type *p) { \
        if (*p)                                \
            name(*p);                          \
    }

static inline _unused_ void freep(void *p) {
    free(*(void **) p);
}

static inline _unused_ void closep(int *fd) {
    if (*fd >= 0)
        (void) close(*fd);
}
