/* wwebjs-api: {"dataType": "message", "sessionId", "data": {"message": {"from": "8801711000001@c.us", "type": "chat", "body",
 * "timestamp", "fromMe"}}}. What comes from a group is "from" that. */
#include <errno.h>
#include <string.h>

#include "web/notice.h"

int notice_read_webjs(const struct json_value *root, notice_fn on_notice, void *userdata) {
    const char *event = json_text_at(root, "dataType"), *type = json_text_at(root, "data.message.type");
    const struct json_value *m = json_at(root, "data.message");

    if (!root || json_type(root) != JSON_OBJECT || !event)
        return -EBADMSG;
    if (strcmp(event, "message") != 0 || !type || strcmp(type, "chat") != 0 || json_is_true_at(m, "fromMe"))
        return 0;
    return notice_from_text(&(struct typed) {"webjs", json_text_at(root, "sessionId"), json_text_at(m, "from"), "@c.us",
                                             json_text_at(m, "body"), json_at(m, "timestamp")}, on_notice, userdata);
}
