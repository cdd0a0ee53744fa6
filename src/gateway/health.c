/* What the gateways' answers about themselves have in common. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "gateway/gateway.h"
#include "gateway/scrub.h"

void health_from_outcome(const struct outcome *outcome, struct health *ret_health) {
    bool is_ill = outcome->kind == OUTCOME_WAIT && outcome->scope == SCOPE_SENDER;

    *ret_health = (struct health) {.kind = is_ill ? HEALTH_ILL : HEALTH_UNKNOWN,
                                   .wait_sec = is_ill ? outcome->wait_sec : WAIT_BY_BACKOFF};
    (void) snprintf(ret_health->reason, sizeof(ret_health->reason), "%s", outcome->reason);
}

void health_from_reply(const struct gateway *gateway, const struct sender *sender, unsigned step, const struct reply *reply,
                       struct health *ret_health) {
    struct outcome outcome;
    char why[REPLY_REASON_BYTES];

    if (reply->kind == REPLY_COMPLETE) {
        gateway->hear(sender, step, reply, ret_health);
        return;
    }
    scrub_text(reply->reason, strnlen(reply->reason, sizeof(reply->reason)), sender, NULL, why, sizeof(why));
    outcome_set(&outcome, OUTCOME_WAIT, SCOPE_SENDER, WAIT_BY_BACKOFF, reply->status, "asked how it is: %s",
                *why ? why : "the gateway could not be reached");
    health_from_outcome(&outcome, ret_health);
}

const char *health_kind_to_string(enum health_kind kind) {
    switch (kind) {
    case HEALTH_WELL: return "well";
    case HEALTH_ILL: return "ill";
    default: return "unknown";
    }
}
