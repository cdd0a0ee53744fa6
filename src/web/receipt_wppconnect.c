/* wppconnect-server: {"event": "onack", "session", "id": {"_serialized"}, "ack"}: unsigned, never repeated, without an echo of
 * ours. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "web/receipt.h"

/* Static, or NULL for an ack that moves no message: 0 is still at the telephone, 5 is another device of ours. */
static const char *status_of(int64_t ack) {
    switch (ack) {
    case 1: return "sent";
    case 2: return "delivered";
    case 3:
    case 4: return "read"; /* 4: played */
    default: return ack < 0 && ack >= -7 ? "failed" : NULL;
    }
}

static const char *failure_of(int64_t ack) {
    switch (ack) {
    case -2: return "expired";
    case -4: return "too big";
    case -5: return "could not be uploaded";
    default: return "failed";
    }
}

int receipt_read_wppconnect(const struct json_value *root, receipt_fn on_receipt, void *userdata) {
    const char *event = json_text_at(root, "event");
    const struct json_value *id = json_at(root, "id._serialized");
    _cleanup_(buf_done) struct buf error = BUF_MAX(RECEIPT_ERROR_BYTES);
    struct receipt receipt = {.gateway = "wppconnect", .account = json_text_at(root, "session")};
    int64_t ack;

    if (!root || json_type(root) != JSON_OBJECT || !event)
        return -EBADMSG;
    if (id && json_type(id) != JSON_STRING)
        return 0;
    receipt.message_id = id ? json_text(id) : json_text_at(root, "id");
    if (strcmp(event, "onack") != 0 || !receipt.account || strlen(receipt.account) > RECEIPT_ACCOUNT_BYTES || !receipt.message_id ||
        !*receipt.message_id || strlen(receipt.message_id) > RECEIPT_MESSAGE_ID_BYTES || json_int_at(root, "ack", &ack) < 0)
        return 0;
    receipt.status = status_of(ack);
    if (!receipt.status)
        return 0;
    if (ack < 0) {
        (void) buf_printf(&error, "the gateway reports a failure: ack %" PRId64 " (%s)", ack, failure_of(ack));
        if (buf_error(&error) == -ENOMEM)
            return -ENOMEM;
        receipt.error = buf_string(&error);
    }
    return on_receipt(&receipt, userdata);
}
