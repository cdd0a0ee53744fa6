/* WAHA: {"event": "message.ack", "session", "payload": {"id", "fromMe", "ack"}}, or message.ack.group for each participant of a
 * group: signed, without an echo of ours. */
#include <errno.h>
#include <string.h>

#include "web/receipt.h"

int receipt_read_waha(const struct json_value *root, receipt_fn on_receipt, void *userdata) {
    const char *event = json_text_at(root, "event");
    const struct json_value *payload = json_at(root, "payload"), *mine = json_at(payload, "fromMe");
    bool is_group;
    int64_t ack;

    if (!root || json_type(root) != JSON_OBJECT || !event)
        return -EBADMSG;
    is_group = strcmp(event, "message.ack.group") == 0;
    if ((!is_group && strcmp(event, "message.ack") != 0) || json_int_at(payload, "ack", &ack) < 0)
        return 0;
    /* What others sent; and one participant who was not reached, where the others may have been. */
    if ((mine && !json_is_true_at(mine, "")) || (is_group && ack < 0))
        return 0;
    return receipt_from_ack("waha", json_text_at(root, "session"), json_at(payload, "id"), ack, on_receipt, userdata);
}
