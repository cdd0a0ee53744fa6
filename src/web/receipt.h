/* What a webhook says became of messages. Pure: a document in, receipts out. */
#pragma once

#include <stdint.h>

#include "base/cleanup.h"
#include "io/form.h"
#include "io/json.h"

enum { RECEIPT_MESSAGE_ID_BYTES = 512, RECEIPT_ACCOUNT_BYTES = 128, RECEIPT_ERROR_BYTES = 512 };

/* All texts are borrowed until the callback returns. */
struct receipt {
    const char *gateway;    /* "cloud", "twilio", … */
    const char *account;    /* phone_number_id, account_sid, session, instance */
    const char *message_id; /* the gateway's */
    const char *status;     /* "sent", "delivered", "read", "failed", "opted out" (failed, as the recipient wants none) */
    const char *error;      /* of a failure, printable; else NULL */
    int64_t id, attempt_id; /* of ours, as echoed; 0: there was no echo of ours */
    int64_t at_sec;         /* since 1970; 0: not said */
};

/* 0, or a negative errno, which ends the reading. */
typedef int (*receipt_fn)(const struct receipt *receipt, void *userdata);

/* Takes "ID.ATTEMPT" for the receipt's ids, where the echo (may be NULL) is that. */
void receipt_read_echo(const char *text, struct receipt *r);

/* The status updates of a Cloud API webhook, in order; whatever else it tells of is passed over, as are updates of which
 * something is missing, of a form that can't be, or of a kind that moves no message. -EBADMSG: no webhook of this gateway. */
int receipt_read_cloud(const struct json_value *root, receipt_fn on_receipt, void *userdata) _must_check_;

/* The same of Evolution's events, of which messages.update is the one that matters. */
int receipt_read_evolution(const struct json_value *root, receipt_fn on_receipt, void *userdata) _must_check_;

/* The same of WAHA's events, of which message.ack and message.ack.group matter. */
int receipt_read_waha(const struct json_value *root, receipt_fn on_receipt, void *userdata) _must_check_;

/* The same of webhooks of wwebjs-api, of which message_ack is the one that matters. */
int receipt_read_webjs(const struct json_value *root, receipt_fn on_receipt, void *userdata) _must_check_;

/* The same of wppconnect's events, of which onack is the one that matters. */
int receipt_read_wppconnect(const struct json_value *root, receipt_fn on_receipt, void *userdata) _must_check_;

/* The same of a status callback of Twilio, with the echo of its query, or NULL. */
int receipt_read_twilio(const struct form *form, const char *echo, receipt_fn on_receipt, void *userdata) _must_check_;

/* For the readers of gateways on WhatsApp Web, which tell of a message by an ack: 1 the server has it, 2 a device, 3 it was read,
 * 4 played, -7 to -1 it failed. message_id: in whatever shape it comes; the receipt has the stanza's id (gateway/stanza.h). Passes
 * over what moves no message, and what something is missing of. */
int receipt_from_ack(const char *gateway, const char *account, const struct json_value *message_id, int64_t ack,
                     receipt_fn on_receipt, void *userdata) _must_check_;
