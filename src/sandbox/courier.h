/* Receipts: tells a webhook, as the Cloud API and Twilio do, that messages were delivered, and a moment later that they were
 * read. */
#pragma once

#include <systemd/sd-event.h>

#include "base/cleanup.h"
#include "sandbox/chats.h"

struct courier;

/* url, app_secret: borrowed. -EINVAL: not a URL that a webhook can have. */
int courier_new(sd_event *event, const char *url, const char *app_secret, struct courier **ret) _must_check_;

/* What was not told yet is forgotten. NULL is allowed. */
struct courier *courier_free(struct courier *c);
DEFINE_CLEANUP(struct courier *, courier_free)

/* A message was taken. Those of other gateways than the Cloud API and Twilio, of Twilio's clients that want to hear
 * elsewhere than at the origin of the url, and more than 1,000 at a time, are not told of. userdata is
 * the courier. */
void courier_on_message(const struct chat_arrival *arrival, void *userdata);
