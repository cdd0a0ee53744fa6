/* Evolution API: {"event": "messages.upsert", "instance", "data": {"key": {"remoteJid": "8801711000001@s.whatsapp.net", "fromMe"},
 * "message": {"conversation"}, "messageTimestamp"}}; a text with a preview or a quotation is "extendedTextMessage": {"text"}. What
 * comes from a group has its id for a "remoteJid". */
#include <errno.h>
#include <string.h>

#include "web/notice.h"

int notice_read_evolution(const struct json_value *root, notice_fn on_notice, void *userdata) {
    const char *event = json_text_at(root, "event"), *text = json_text_at(root, "data.message.conversation");
    const struct json_value *key = json_at(root, "data.key");

    if (!root || json_type(root) != JSON_OBJECT || !event)
        return -EBADMSG;
    if (strcmp(event, "messages.upsert") != 0 || json_is_true_at(key, "fromMe"))
        return 0;
    if (!text)
        text = json_text_at(root, "data.message.extendedTextMessage.text");
    return notice_from_text(&(struct typed) {"evolution", json_text_at(root, "instance"), json_text_at(key, "remoteJid"),
                                             "@s.whatsapp.net", text, json_at(root, "data.messageTimestamp")}, on_notice, userdata);
}
