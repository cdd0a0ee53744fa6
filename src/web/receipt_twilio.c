/* Twilio: a form with MessageSid, MessageStatus, AccountSid, and ErrorCode of a failure; "ID.ATTEMPT" of ours in the query. */
#include <inttypes.h>
#include <string.h>

#include "base/parse.h"
#include "gateway/twilio_table.h"
#include "web/receipt.h"

#define CODE_MAX 999999

/* Static, or NULL for a status that moves no message: it is still on its way. */
static const char *status_of(const char *status) {
    static const struct {
        const char *theirs, *ours;
    } table[] = {
        {"sent", "sent"},          {"delivered", "delivered"}, {"read", "read"},
        {"undelivered", "failed"}, {"failed", "failed"},       {"canceled", "failed"},
    };

    for (size_t i = 0; status && i < ELEMENTSOF(table); i++)
        if (strcmp(status, table[i].theirs) == 0)
            return table[i].ours;
    return NULL;
}

/* "63016: more than 24 hours since …"; *ret_code: 0 where there is none. */
static int write_error(const struct form *form, struct buf *out, int64_t *ret_code) {
    const char *text = form_value(form, "ErrorCode"), *meaning;
    int64_t code;
    int r = buf_append_string(out, "the gateway reports a failure");

    *ret_code = 0;
    if (r < 0 || !text || parse_int(text, 1, CODE_MAX, &code) < 0)
        return r;
    *ret_code = code;
    meaning = twilio_meaning(code);
    return buf_printf(out, " %" PRId64 "%s%s", code, meaning ? ": " : "", meaning ? meaning : "");
}

int receipt_read_twilio(const struct form *form, const char *echo, receipt_fn on_receipt, void *userdata) {
    _cleanup_(buf_done) struct buf error = BUF_MAX(RECEIPT_ERROR_BYTES);
    struct receipt receipt = {.gateway = "twilio",
                              .account = form_value(form, "AccountSid"),
                              .message_id = form_value(form, "MessageSid"),
                              .status = status_of(form_value(form, "MessageStatus"))};

    if (!receipt.status || !receipt.account || strlen(receipt.account) > RECEIPT_ACCOUNT_BYTES || !receipt.message_id ||
        !*receipt.message_id || strlen(receipt.message_id) > RECEIPT_MESSAGE_ID_BYTES)
        return 0;
    if (strcmp(receipt.status, "failed") == 0) {
        int64_t code;
        int r = write_error(form, &error, &code);

        if (r < 0)
            return r;
        if (code == TWILIO_CODE_OPTED_OUT)
            receipt.status = "opted out";
        receipt.error = buf_string(&error);
    }
    receipt_read_echo(echo, &receipt);
    return on_receipt(&receipt, userdata);
}
