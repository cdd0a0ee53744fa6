/* What the gateways' requests have in common: the faults of a sender's row in one wording, and what to make of each step. */
#pragma once

#include "gateway/gateway.h"

/* base_url must be there, and a path must be able to follow it. 0, or -EINVAL and what is wrong with the remedy (a sentence). */
int compose_check_base_url(const struct sender *sender, const char *remedy, struct buf *reterr) _must_check_;

/* The same of the credential, which is called noun ("access token"). */
int compose_check_credential(const struct sender *sender, const char *noun, const char *remedy, struct buf *reterr) _must_check_;

/* The text of a message: 1, or 0 and the outcome where it is blank or longer than taker takes. */
int compose_check_text(const struct message *message, const char *taker, size_t length_max, struct outcome *ret) _must_check_;

/* Adds "name: prefix" and the sender's secret. */
int compose_add_credential(struct request *request, const char *name, const char *prefix, const struct sender *sender)
        _must_check_;

/* The row is not complete, as check() found: the sender waits. 0. */
int compose_incomplete(const struct buf *fault, struct outcome *ret);

/* This message will never be taken. 0. */
int compose_reject(const char *reason, struct outcome *ret);

/* r is what writing URL and headers came to: 1; 0 and the outcome where they can't be what a request has; or r, no memory. */
int compose_head(int r, struct outcome *ret) _must_check_;

/* The same of the body: one that is too large rejects the message. */
int compose_body(int r, struct outcome *ret) _must_check_;
