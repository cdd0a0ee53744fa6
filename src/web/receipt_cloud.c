/* The Cloud API: a change of field "messages" whose value is {"metadata": {"phone_number_id"}, "statuses": [{"id", "status",
 * "timestamp", "biz_opaque_callback_data", "errors"}]}. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gateway/cloud_table.h"
#include "gateway/scrub.h"
#include "web/change.h"
#include "web/receipt.h"

#define TIME_MAX_SEC INT64_C(4102444800) /* 2100 */

/* Static, or NULL for a status that moves no message. */
static const char *status_of(const struct json_value *update) {
    static const struct {
        const char *theirs, *ours;
    } table[] = {
        {"sent", "sent"}, {"delivered", "delivered"}, {"read", "read"}, {"played", "read"}, {"failed", "failed"},
    };
    const char *status = json_text_at(update, "status");

    for (size_t i = 0; status && i < ELEMENTSOF(table); i++)
        if (strcmp(status, table[i].theirs) == 0)
            return table[i].ours;
    return NULL;
}

/* "131049 title: details", without what may be a telephone number. */
static int write_error(const struct json_value *update, char ret[static RECEIPT_ERROR_BYTES]) {
    _cleanup_(buf_done) struct buf words = BUF_MAX(16 * 1024);
    const struct json_value *error = json_at(update, "errors.0");
    const char *code = json_text_at(error, "code"), *title = json_text_at(error, "title");
    const char *details = json_text_at(error, "error_data.details");

    if (!title)
        title = json_text_at(error, "message");
    (void) buf_append_string(&words, "the gateway reports a failure");
    if (code)
        (void) buf_printf(&words, " %.20s", code);
    if (title)
        (void) buf_printf(&words, ": %.300s", title);
    if (details && (!title || strcmp(details, title) != 0))
        (void) buf_printf(&words, ": %.600s", details);
    if (buf_error(&words) == -ENOMEM)
        return -ENOMEM;
    scrub_text(buf_string(&words), words.size, NULL, NULL, ret, RECEIPT_ERROR_BYTES);
    return *ret ? 0 : -ENOMEM;
}

static int read_update(const struct json_value *update, const char *account, receipt_fn on_receipt, void *userdata) {
    char error[RECEIPT_ERROR_BYTES];
    struct receipt receipt = {
        .gateway = "cloud", .account = account, .message_id = json_text_at(update, "id"), .status = status_of(update)};
    const struct json_value *id = json_at(update, "id");
    int64_t code;

    if (!receipt.status || !id || json_type(id) != JSON_STRING || !*receipt.message_id ||
        strlen(receipt.message_id) > RECEIPT_MESSAGE_ID_BYTES)
        return 0;
    if (strcmp(receipt.status, "failed") == 0) {
        /* One participant of a group was not reached; the others may have been. */
        if (json_at(update, "recipient_participant_id"))
            return 0;
        if (write_error(update, error) < 0)
            return -ENOMEM;
        if (json_int_at(update, "errors.0.code", &code) >= 0 && code == CLOUD_CODE_OPTED_OUT)
            receipt.status = "opted out";
        receipt.error = error;
    }
    receipt_read_echo(json_text_at(update, "biz_opaque_callback_data"), &receipt);
    if (json_int_at(update, "timestamp", &receipt.at_sec) < 0 || receipt.at_sec < 0 || receipt.at_sec > TIME_MAX_SEC)
        receipt.at_sec = 0;
    return on_receipt(&receipt, userdata);
}

struct reading {
    receipt_fn on_receipt;
    void *userdata;
};

static int on_change(const struct change *change, void *userdata) {
    const struct reading *reading = userdata;
    const char *account = json_text_at(change->value, "metadata.phone_number_id");
    const struct json_value *statuses = json_at(change->value, "statuses");
    int r = 0;

    if (strcmp(change->field, "messages") != 0 || !account || strlen(account) > RECEIPT_ACCOUNT_BYTES || !statuses ||
        json_type(statuses) != JSON_ARRAY)
        return 0;
    for (const struct json_value *u = json_first(statuses); u && r >= 0; u = json_next(u))
        r = read_update(u, account, reading->on_receipt, reading->userdata);
    return r;
}

int receipt_read_cloud(const struct json_value *root, receipt_fn on_receipt, void *userdata) {
    struct reading reading = {.on_receipt = on_receipt, .userdata = userdata};

    return change_read(root, on_change, &reading);
}
