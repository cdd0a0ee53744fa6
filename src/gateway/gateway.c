#include "gateway/gateway.h"

#include <string.h>

#include "gateway/scrub.h"

/* In the order of gateway_names(). */
static const struct gateway *const gateways[] = {
    &gateway_cloud,  &gateway_evolution, &gateway_smtp,  &gateway_twilio,
    &gateway_waha,   &gateway_webhook,   &gateway_webjs, &gateway_wppconnect,
};

const struct gateway *gateway_find(const char *name) {
    for (size_t i = 0; name && i < ELEMENTSOF(gateways); i++)
        if (strcmp(gateways[i]->name, name) == 0)
            return gateways[i];
    return NULL;
}

const char *gateway_names(void) {
    return "cloud, evolution, smtp, twilio, waha, webhook, webjs, wppconnect";
}

/* A gateway may echo the secret where its message's id is expected. */
static void forget_secret_id(const struct sender *sender, struct outcome *o) {
    _cleanup_(buf_done) struct buf kept = BUF_MAX(OUTCOME_MESSAGE_ID_BYTES);

    if (o->message_id[0] && (scrub_kept(&kept, o->message_id, strlen(o->message_id), sender) < 0 ||
                             strcmp(buf_string(&kept), o->message_id) != 0))
        o->message_id[0] = '\0';
}

void gateway_outcome(const struct gateway *gateway, const struct sender *sender, const struct message *message,
                     const struct reply *reply, struct outcome *ret_outcome) {
    char why[REPLY_REASON_BYTES];

    if (reply->kind == REPLY_COMPLETE) {
        gateway->understand(sender, message, reply, ret_outcome);
        forget_secret_id(sender, ret_outcome);
        /* A gateway may speak of a template where a text was sent; then there is none that could wait. */
        if (ret_outcome->scope == SCOPE_TEMPLATE && !message->template)
            ret_outcome->scope = SCOPE_MESSAGE;
        return;
    }
    scrub_text(reply->reason, strnlen(reply->reason, sizeof(reply->reason)), sender, message, why, sizeof(why));
    if (reply->kind == REPLY_UNSENT)
        outcome_set(ret_outcome, OUTCOME_WAIT, SCOPE_SENDER, WAIT_BY_BACKOFF, 0, "nothing was sent: %s",
                    *why ? why : "the gateway could not be reached");
    else
        outcome_set(ret_outcome, OUTCOME_IN_DOUBT, SCOPE_MESSAGE, 0, reply->status,
                    "the request left and no whole answer came back, so it may have been sent: %s",
                    *why ? why : "the connection ended");
}
