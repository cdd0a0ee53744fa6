/* The senders' accounts as the last turns gave them, each with its parsed settings and its secret. An account is shared: what
 * is in flight keeps the one that it was sent with. */
#pragma once

#include "base/cleanup.h"
#include "gateway/gateway.h"

struct account {
    struct sender sender;          /* borrows from what follows */
    const struct gateway *gateway; /* NULL: there is none of that name */
    char problem[512];             /* "" or why nothing can be sent: an unknown gateway, a missing credential, bad settings */
    /* private */
    unsigned references;
    struct account *next;
    char *name, *gateway_name, *base_url, *credential, *settings;
    struct json *document;
    struct secret *secret;
};

struct accounts {
    struct account *first;
    const char *credentials_dir; /* borrowed */
};

/* The row of a sender, as herald.turn() yields it; credential may be NULL. The account is made anew where anything changed, or
 * where the last attempt to make it usable failed. 0, or -ENOMEM. */
int accounts_update(struct accounts *a, const char *name, const char *gateway, const char *base_url, const char *credential,
                    const char *settings) _must_check_;

/* A reference to the account of that name, for account_unref(); NULL where no turn named it. */
struct account *accounts_find(const struct accounts *a, const char *name);

/* Its secret is read again at its next row: a gateway refused it. */
void accounts_doubt(struct accounts *a, const char *name);

/* Forgets all of them: after a reload. */
void accounts_clear(struct accounts *a);

/* Gives a reference back. NULL is allowed. */
struct account *account_unref(struct account *a);
