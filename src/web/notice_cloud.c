/* The Cloud API's changes, by field:
 *   "user_preferences": {"metadata": {"phone_number_id"}, "user_preferences": [{"wa_id", "category", "value", "timestamp"}]}
 *   "messages": {"metadata": {"phone_number_id"}, "messages": [{"from", "timestamp", "type": "text", "text": {"body"}}]}
 *   "message_template_status_update": {"event", "message_template_name", "message_template_language"}, of a whole account */
#include <string.h>

#include "web/change.h"
#include "web/notice.h"

struct reading {
    notice_fn on_notice;
    void *userdata;
};

static bool is(const char *text, const char *wanted) {
    return text && strcmp(text, wanted) == 0;
}

static bool fits(const char *text, size_t max_bytes) {
    return text && *text && strlen(text) <= max_bytes;
}

static int64_t time_of(const struct json_value *value) {
    int64_t at_sec;

    return json_int_at(value, "timestamp", &at_sec) < 0 ? 0 : at_sec;
}

static int read_preference(const struct json_value *preference, const char *account, const struct reading *reading) {
    struct notice notice = {.what = "preference", .gateway = "cloud", .account = account, .at_sec = time_of(preference),
                            .subject = json_text_at(preference, "wa_id"), .detail = json_text_at(preference, "value")};

    if (!is(json_text_at(preference, "category"), "marketing_messages") || !fits(notice.subject, NOTICE_SUBJECT_BYTES) ||
        !fits(notice.detail, NOTICE_DETAIL_BYTES))
        return 0;
    return reading->on_notice(&notice, reading->userdata);
}

/* What somebody types in a group is said to the group. */
static int read_message(const struct json_value *message, const char *account, const struct reading *reading) {
    const char *body = json_text_at(message, "text.body");
    char word[NOTICE_DETAIL_BYTES + 1];
    struct notice notice = {.what = "text", .gateway = "cloud", .account = account, .subject = json_text_at(message, "from"),
                            .detail = word, .at_sec = time_of(message)};

    if (!is(json_text_at(message, "type"), "text") || json_at(message, "group_id") || !fits(notice.subject, NOTICE_SUBJECT_BYTES) ||
        !body || !notice_word(body, word))
        return 0;
    return reading->on_notice(&notice, reading->userdata);
}

static int read_template(const struct change *change, const struct reading *reading) {
    struct notice notice = {.what = "template", .gateway = "cloud", .subject = json_text_at(change->value, "message_template_name"),
                            .detail = json_text_at(change->value, "event"),
                            .language = json_text_at(change->value, "message_template_language"), .at_sec = change->at_sec};

    if (!fits(notice.subject, NOTICE_SUBJECT_BYTES) || !fits(notice.detail, NOTICE_DETAIL_BYTES) ||
        !fits(notice.language, NOTICE_DETAIL_BYTES))
        return 0;
    return reading->on_notice(&notice, reading->userdata);
}

typedef int (*item_fn)(const struct json_value *item, const char *account, const struct reading *reading);

static int read_each(const struct change *change, const char *key, item_fn read_item, const struct reading *reading) {
    const char *account = json_text_at(change->value, "metadata.phone_number_id");
    const struct json_value *items = json_at(change->value, key);
    int r = 0;

    if (!fits(account, NOTICE_ACCOUNT_BYTES) || !items || json_type(items) != JSON_ARRAY)
        return 0;
    for (const struct json_value *i = json_first(items); i && r >= 0; i = json_next(i))
        r = read_item(i, account, reading);
    return r;
}

static int on_change(const struct change *change, void *userdata) {
    const struct reading *reading = userdata;

    if (is(change->field, "messages"))
        return read_each(change, "messages", read_message, reading);
    if (is(change->field, "user_preferences"))
        return read_each(change, "user_preferences", read_preference, reading);
    if (is(change->field, "message_template_status_update"))
        return read_template(change, reading);
    return 0;
}

int notice_read_cloud(const struct json_value *root, notice_fn on_notice, void *userdata) {
    struct reading reading = {.on_notice = on_notice, .userdata = userdata};

    return change_read(root, on_change, &reading);
}
