/* What must hold of every receipt and notice, whatever webhook it was read from. */
#pragma once

#include <errno.h>

#include "fuzz.h"

#include "web/batch.h"
#include "web/receipt.h"

typedef int (*read_receipts_fn)(const struct json_value *root, receipt_fn on_receipt, void *userdata);
typedef int (*read_notices_fn)(const struct json_value *root, notice_fn on_notice, void *userdata);

struct reading {
    struct batch batch;
    size_t left; /* receipts and notices until the caller has enough */
};

static inline bool is_status(const char *text) {
    return strcmp(text, "sent") == 0 || strcmp(text, "delivered") == 0 || strcmp(text, "read") == 0 ||
           strcmp(text, "failed") == 0 || strcmp(text, "opted out") == 0;
}

static inline int check_receipt(const struct receipt *r, void *userdata) {
    struct reading *reading = userdata;

    HOLDS(strlen(r->account) <= RECEIPT_ACCOUNT_BYTES && text_is_utf8(r->account, strlen(r->account)));
    HOLDS(*r->message_id && strlen(r->message_id) <= RECEIPT_MESSAGE_ID_BYTES);
    HOLDS(text_is_utf8(r->message_id, strlen(r->message_id)));
    HOLDS(is_status(r->status));
    HOLDS((strcmp(r->status, "failed") == 0 || strcmp(r->status, "opted out") == 0) == (r->error != NULL));
    HOLDS(!r->error || (*r->error && strlen(r->error) <= RECEIPT_ERROR_BYTES && is_printable(r->error)));
    HOLDS(!r->error || !holds_number(r->error));
    HOLDS((r->id > 0 && r->attempt_id > 0) || (r->id == 0 && r->attempt_id == 0));
    HOLDS(r->at_sec >= 0);
    batch_add(&reading->batch, r);
    return reading->left-- == 0 ? -ECANCELED : 0;
}

static inline bool is_bounded(const char *text, size_t most) {
    return *text && strlen(text) <= most && text_is_utf8(text, strlen(text));
}

static inline int check_notice(const struct notice *n, void *userdata) {
    struct reading *reading = userdata;

    HOLDS(strcmp(n->what, "preference") == 0 || strcmp(n->what, "text") == 0 || strcmp(n->what, "template") == 0);
    HOLDS(n->account ? is_bounded(n->account, NOTICE_ACCOUNT_BYTES) : strcmp(n->what, "template") == 0);
    HOLDS(is_bounded(n->subject, NOTICE_SUBJECT_BYTES) && is_bounded(n->detail, NOTICE_DETAIL_BYTES));
    HOLDS(!n->language || text_is_utf8(n->language, strlen(n->language)));
    batch_add_notice(&reading->batch, n);
    return reading->left-- == 0 ? -ECANCELED : 0;
}

static inline void end_reading(struct reading *reading, int r) {
    HOLDS(r == 0 || r == -EBADMSG || r == -ECANCELED);
    HOLDS(r != -EBADMSG || batch_is_empty(&reading->batch));
    HOLDS(batch_close(&reading->batch) == 0);
    batch_done(&reading->batch);
}

/* read_notices may be NULL. */
static inline void try_webhook(read_receipts_fn read_receipts, read_notices_fn read_notices, const uint8_t *bytes, size_t size) {
    _cleanup_(json_freep) struct json *doc = NULL;
    _cleanup_(freep) char *text = copy_of((const char *) bytes, size);
    struct reading reading = {.left = 100};
    const char *reason;
    int r, s = 0;

    if (json_parse(text, size, &doc, &reason) < 0)
        return;
    batch_init(&reading.batch);
    r = read_receipts(json_root(doc), check_receipt, &reading);
    if (read_notices)
        s = read_notices(json_root(doc), check_notice, &reading);
    HOLDS(s == 0 || s == -EBADMSG || s == -ECANCELED);
    end_reading(&reading, r);
}
