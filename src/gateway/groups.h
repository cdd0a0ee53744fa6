/* The groups that an account is in, as gateways answer who asks for them: read piece by piece, since an account may be in
 * thousands. Pure. */
#pragma once

#include "gateway/gateway.h"

enum { GROUP_ID_BYTES = 128, GROUP_NAME_BYTES = 512, GROUPS_PLACES_MAX = 4 };

struct group {
    const char *id;
    const char *name; /* valid UTF-8 without control bytes; "" where it has none */
};

/* Where an answer has them. Paths as in json_scan_is_at(). */
struct groups_shape {
    const char *items;                      /* the array or object whose elements they are */
    const char *ids[GROUPS_PLACES_MAX];     /* in an element; the first that is there counts; so do */
    const char *names[GROUPS_PLACES_MAX];
    const char *left;                       /* true of a group that can't be written to (any more); or NULL */
    const char *next, *more;                /* where the next page begins, and what is there only if there is one; or NULL */
    bool (*is_group)(const char *id);       /* what else stands there is passed over */
};

struct groups_reader;

/* on_group: a negative errno of it ends the reading. NULL: no memory. */
typedef int (*group_fn)(const struct group *group, void *userdata);
struct groups_reader *groups_reader_new(const struct groups_shape *shape, group_fn on_group, void *userdata);
struct groups_reader *groups_reader_free(struct groups_reader *r);
DEFINE_CLEANUP(struct groups_reader *, groups_reader_free)

/* The next piece of an answer with a status of success. -EBADMSG: it is none with groups; -ENOMEM; or what on_group returned. */
int groups_reader_feed(struct groups_reader *r, const char *bytes, size_t size) _must_check_;

/* There is no more. *ret_next: where the next page begins, borrowed; NULL: this was the last. */
int groups_reader_finish(struct groups_reader *r, const char **ret_next) _must_check_;
