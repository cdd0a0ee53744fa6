/* wppconnect-server: {"event": "onack", "session", "id", "ack"}: unsigned, never repeated, without an echo of
 * ours. */
#include <errno.h>
#include <string.h>

#include "web/receipt.h"

int receipt_read_wppconnect(const struct json_value *root, receipt_fn on_receipt, void *userdata) {
    const char *event = json_text_at(root, "event");
    int64_t ack;

    if (!root || json_type(root) != JSON_OBJECT || !event)
        return -EBADMSG;
    if (strcmp(event, "onack") != 0 || json_int_at(root, "ack", &ack) < 0)
        return 0;
    return receipt_from_ack("wppconnect", json_text_at(root, "session"), json_at(root, "id"), ack, on_receipt, userdata);
}
