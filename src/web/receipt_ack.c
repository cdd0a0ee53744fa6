#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "gateway/stanza.h"
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

int receipt_from_ack(const char *gateway, const char *account, const struct json_value *message_id, int64_t ack,
                     receipt_fn on_receipt, void *userdata) {
    _cleanup_(buf_done) struct buf error = BUF_MAX(RECEIPT_ERROR_BYTES);
    char stanza[STANZA_BYTES];
    struct receipt receipt = {.gateway = gateway, .account = account, .message_id = stanza, .status = status_of(ack)};

    if (!receipt.status || !account || strlen(account) > RECEIPT_ACCOUNT_BYTES || !stanza_read(message_id, stanza))
        return 0;
    if (ack < 0) {
        (void) buf_printf(&error, "the gateway reports a failure: ack %" PRId64 " (%s)", ack, failure_of(ack));
        if (buf_error(&error) == -ENOMEM)
            return -ENOMEM;
        receipt.error = buf_string(&error);
    }
    return on_receipt(&receipt, userdata);
}
