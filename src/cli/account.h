/* A sender as its gateway sees it, with its secret: what `pgherald check` and `pgherald groups` look at. */
#pragma once

#include "cli/cli.h"
#include "gateway/gateway.h"
#include "io/secret.h"

/* Columns of herald.sender_accounts(). */
enum { ACCOUNT_NAME, ACCOUNT_GATEWAY, ACCOUNT_BASE_URL, ACCOUNT_ACCOUNT, ACCOUNT_CREDENTIAL, ACCOUNT_ENABLED, ACCOUNT_HAS_GROUPS };

struct account {
    const struct gateway *gateway;
    struct sender sender; /* borrows from the rows */
    struct json *document;
    struct secret *secret;
};

/* 0, and to be closed; or -EINVAL, and in reterr what is wrong with the row, and how to mend it. */
int account_open(const struct config *config, const struct pg_result *rows, size_t row, struct account *ret, struct buf *reterr)
        _must_check_;
void account_close(struct account *a);

/* Asks the gateway for the groups that the account is in, as arrays for the database. -ENOTSUP: it knows none; -EIO, and in reterr
 * why they can't be had, or -ENOTCONN: nobody gave a whole answer; -ENOMEM. */
int account_groups(const struct account *a, struct buf *ret_ids, struct buf *ret_names, struct buf *reterr) _must_check_;
