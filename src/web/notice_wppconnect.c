/* wppconnect-server: {"event": "onmessage", "session", "from": "8801711000001@c.us", "type": "chat", "body", "t", "fromMe",
 * "isGroupMsg"}. */
#include <errno.h>
#include <string.h>

#include "web/notice.h"

int notice_read_wppconnect(const struct json_value *root, notice_fn on_notice, void *userdata) {
    const char *event = json_text_at(root, "event"), *type = json_text_at(root, "type");

    if (!root || json_type(root) != JSON_OBJECT || !event)
        return -EBADMSG;
    if (strcmp(event, "onmessage") != 0 || !type || strcmp(type, "chat") != 0 || json_is_true_at(root, "fromMe") ||
        json_is_true_at(root, "isGroupMsg"))
        return 0;
    return notice_from_text(&(struct typed) {"wppconnect", json_text_at(root, "session"), json_text_at(root, "from"), "@c.us",
                                             json_text_at(root, "body"), json_at(root, "t")}, on_notice, userdata);
}
