/* WAHA: {"event": "message", "session", "payload": {"from": "8801711000001@c.us", "body", "timestamp", "fromMe", "hasMedia"}}. What
 * comes from a group is "from" that. */
#include <errno.h>
#include <string.h>

#include "web/notice.h"

int notice_read_waha(const struct json_value *root, notice_fn on_notice, void *userdata) {
    const char *event = json_text_at(root, "event");
    const struct json_value *m = json_at(root, "payload");

    if (!root || json_type(root) != JSON_OBJECT || !event)
        return -EBADMSG;
    if (strcmp(event, "message") != 0 || json_is_true_at(m, "fromMe") || json_is_true_at(m, "hasMedia"))
        return 0;
    return notice_from_text(&(struct typed) {"waha", json_text_at(root, "session"), json_text_at(m, "from"), "@c.us",
                                             json_text_at(m, "body"), json_at(m, "timestamp")}, on_notice, userdata);
}
