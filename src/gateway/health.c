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

void health_from_reply(const struct gateway *gateway, const struct sender *sender, enum purpose purpose, unsigned step,
                       const struct reply *reply, struct health *ret_health) {
    static const char *const asked[] = {[PURPOSE_HEALTH] = "asked how it is",
                                        [PURPOSE_PAIR] = "asked to pair its session",
                                        [PURPOSE_UNPAIR] = "asked to log its session out"};
    struct outcome outcome;
    char why[REPLY_REASON_BYTES];

    if (reply->kind == REPLY_COMPLETE) {
        gateway->hear(sender, purpose, step, reply, ret_health);
        return;
    }
    scrub_text(reply->reason, strnlen(reply->reason, sizeof(reply->reason)), sender, NULL, why, sizeof(why));
    outcome_set(&outcome, OUTCOME_WAIT, SCOPE_SENDER, WAIT_BY_BACKOFF, reply->status, "%s: %s", asked[purpose],
                *why ? why : "the gateway could not be reached");
    health_from_outcome(&outcome, ret_health);
}

const char *health_kind_to_string(enum health_kind kind) {
    switch (kind) {
    case HEALTH_WELL: return "well";
    case HEALTH_ILL: return "ill";
    case HEALTH_CODE: return "code";
    default: return "unknown";
    }
}

static const char *const purposes[] = {[PURPOSE_PAIR] = "pair", [PURPOSE_UNPAIR] = "unpair"};

const char *purpose_to_string(enum purpose purpose) {
    return purposes[purpose];
}

enum purpose purpose_from_string(const char *text) {
    for (size_t i = PURPOSE_PAIR; text && i < ELEMENTSOF(purposes); i++)
        if (strcmp(purposes[i], text) == 0)
            return (enum purpose) i;
    return PURPOSE_HEALTH;
}
