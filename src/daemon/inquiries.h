/* Asking the gateways how their senders are, and to pair their sessions. On connections of its own: those of the messages may
 * all hang. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/cleanup.h"
#include "daemon/account.h"

struct inquiries;

/* A sender that was asked for, and the answer. */
struct inquiry {
    struct account *account; /* referenced */
    enum purpose purpose;
    struct health health;
    /* private */
    struct inquiries *inquiries;
    uint64_t time_limit_usec;
    unsigned step, steps_taken;
    struct inquiry *next;
};

/* heard: there is an answer more. From the loop, never from inside inquiries_begin(). */
int inquiries_new(sd_event *event, void (*heard)(void *userdata), void *userdata, struct inquiries **ret) _must_check_;
struct inquiries *inquiries_free(struct inquiries *q);
DEFINE_CLEANUP(struct inquiries *, inquiries_free)

/* Asks for this sender; the account's reference goes over. time_limit_usec: for each step. 0, or -ENOMEM: then nobody asks. */
int inquiries_begin(struct inquiries *q, struct account *account, enum purpose purpose, uint64_t time_limit_usec) _must_check_;

/* The answers, chained by next; NULL: none. Borrowed until inquiries_told(), which forgets them. */
const struct inquiry *inquiries_answers(const struct inquiries *q);
void inquiries_told(struct inquiries *q);
