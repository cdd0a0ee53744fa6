/* Evolution API: {"event": "messages.update", "instance", "data": {"keyId", "fromMe", "status"}}: unsigned, without an echo of
 * ours. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "web/receipt.h"

/* 0 for a status that moves no message: PENDING, DELETED, and what is to come. */
static int64_t ack_of(const char *status) {
    static const struct {
        const char *status;
        int64_t ack;
    } table[] = {{"ERROR", -1}, {"SERVER_ACK", 1}, {"DELIVERY_ACK", 2}, {"READ", 3}, {"PLAYED", 4}};

    for (size_t i = 0; i < ELEMENTSOF(table); i++)
        if (strcmp(status, table[i].status) == 0)
            return table[i].ack;
    return 0;
}

int receipt_read_evolution(const struct json_value *root, receipt_fn on_receipt, void *userdata) {
    const char *event = json_text_at(root, "event"), *status = json_text_at(root, "data.status");
    const struct json_value *mine = json_at(root, "data.fromMe");

    if (!root || json_type(root) != JSON_OBJECT || !event)
        return -EBADMSG;
    if (strcmp(event, "messages.update") != 0 || !status || (mine && !json_is_true_at(mine, "")))
        return 0;
    return receipt_from_ack("evolution", json_text_at(root, "instance"), json_at(root, "data.keyId"), ack_of(status), on_receipt,
                            userdata);
}
