/* wwebjs-api: {"dataType": "message_ack", "sessionId", "data": {"message": {"id"}, "ack"}}: never
 * repeated, without an echo of ours. */
#include <errno.h>
#include <string.h>

#include "web/receipt.h"

int receipt_read_webjs(const struct json_value *root, receipt_fn on_receipt, void *userdata) {
    const char *type = json_text_at(root, "dataType");
    int64_t ack;

    if (!root || json_type(root) != JSON_OBJECT || !type)
        return -EBADMSG;
    if (strcmp(type, "message_ack") != 0 || json_int_at(root, "data.ack", &ack) < 0)
        return 0;
    return receipt_from_ack("webjs", json_text_at(root, "sessionId"), json_at(root, "data.message.id"), ack, on_receipt, userdata);
}
