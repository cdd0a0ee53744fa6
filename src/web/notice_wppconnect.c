/* wppconnect-server: {"event": "onmessage", "session", "from": "8801711000001@c.us", "type": "chat", "body", "t", "fromMe",
 * "isGroupMsg"}. A person who hides behind "@lid" has no number that we could know. */
#include <errno.h>
#include <string.h>

#include "web/notice.h"

enum { NUMBER_BYTES_MAX = 16 };

/* The digits of "DIGITS@c.us": an individual's. */
static bool read_number(const char *jid, char ret[static NUMBER_BYTES_MAX + 1]) {
    size_t digits = jid ? strspn(jid, "0123456789") : 0;

    if (digits == 0 || digits > NUMBER_BYTES_MAX || strcmp(jid + digits, "@c.us") != 0)
        return false;
    memcpy(ret, jid, digits);
    ret[digits] = '\0';
    return true;
}

int notice_read_wppconnect(const struct json_value *root, notice_fn on_notice, void *userdata) {
    const char *event = json_text_at(root, "event"), *type = json_text_at(root, "type"), *body = json_text_at(root, "body");
    char number[NUMBER_BYTES_MAX + 1], word[NOTICE_DETAIL_BYTES + 1];
    struct notice notice = {
        .what = "text", .gateway = "wppconnect", .account = json_text_at(root, "session"), .subject = number, .detail = word};

    if (!root || json_type(root) != JSON_OBJECT || !event)
        return -EBADMSG;
    if (strcmp(event, "onmessage") != 0 || !type || strcmp(type, "chat") != 0 || !body || !notice.account ||
        strlen(notice.account) > NOTICE_ACCOUNT_BYTES || json_is_true_at(root, "fromMe") || json_is_true_at(root, "isGroupMsg") ||
        !read_number(json_text_at(root, "from"), number) || !notice_word(body, word))
        return 0;
    if (json_int_at(root, "t", &notice.at_sec) < 0)
        notice.at_sec = 0;
    return on_notice(&notice, userdata);
}
