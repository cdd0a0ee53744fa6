/* Twilio, for WhatsApp and SMS: POST BASE/2010-04-01/Accounts/ACCOUNT_SID/Messages.json, a form.
 *
 * account: {"account_sid": "AC…", "from": "whatsapp:+14155238886"}; the credential is the account's auth token, or with
 * "api_key_sid" that key's secret.
 *
 *   from                   "whatsapp:" and a number sends on WhatsApp; a number, a short code or a name sends SMS
 *   messaging_service_sid  in place of from; then "kind" says "whatsapp" or "sms"
 *   status_callback        where Twilio tells what became of a message: the public URL of pgherald web's /twilio. Our
 *                          "ID.ATTEMPT" goes out in its query, as there is no other echo and no idempotency key
 *
 * A template whose gateway_name is a ContentSid goes out as ContentSid and ContentVariables; its positional parameters are the
 * variables "1", "2", …. What answers mean: twilio_table.c. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/text.h"
#include "gateway/compose.h"
#include "gateway/gateway.h"
#include "gateway/media.h"
#include "gateway/scrub.h"
#include "gateway/target.h"
#include "gateway/twilio_callback.h"
#include "gateway/twilio_table.h"
#include "io/form.h"
#include "io/url.h"

#define TWILIO_URL "https://api.twilio.com"
#define WHATSAPP "whatsapp:"

enum {
    SID_HEX_DIGITS = 32,
    TWILIO_BODY_LENGTH_MAX = 1600,
    TWILIO_VARIABLE_LENGTH_MAX = 1600,
    TWILIO_VARIABLE_BYTES_MAX = 64 * 1024,
    TWILIO_VARIABLES_MAX = 100,
    SHORT_CODE_DIGITS_MAX = 8,
    NAME_BYTES_MAX = 11,
    CALLBACK_BYTES_MAX = 1024,
    CHECK_FAULT_BYTES = 2048,
};

static bool is_sid(const char *text, const char *prefix) {
    return text && strncmp(text, prefix, 2) == 0 && strspn(text + 2, "0123456789abcdefABCDEF") == SID_HEX_DIGITS &&
           text[2 + SID_HEX_DIGITS] == '\0';
}

static bool is_message_sid(const char *text) {
    return is_sid(text, "SM") || is_sid(text, "MM");
}

/* --- the account --- */

/* A number, a short code, or a name of letters, digits and spaces. */
static bool is_sms_sender(const char *from) {
    size_t size = strlen(from);

    if (target_is_e164(from))
        return true;
    if (text_is_digits(from))
        return size >= 3 && size <= SHORT_CODE_DIGITS_MAX;
    return size <= NAME_BYTES_MAX && !text_is_blank(from) &&
           strspn(from, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz &-_+") == size && *from != '+';
}

static bool is_whatsapp(const struct json_value *account) {
    const char *from = json_text_at(account, "from"), *kind = json_text_at(account, "kind");

    return from ? strncmp(from, WHATSAPP, strlen(WHATSAPP)) == 0 : kind && strcmp(kind, "whatsapp") == 0;
}

static int check_sender(const struct json_value *account, struct buf *reterr) {
    const char *from = json_text_at(account, "from"), *service = json_text_at(account, "messaging_service_sid");
    const char *kind = json_text_at(account, "kind");
    bool has_kind = kind && (strcmp(kind, "whatsapp") == 0 || strcmp(kind, "sms") == 0);

    if (!from == !service) {
        (void) buf_printf(reterr, "account: %s \"from\" and \"messaging_service_sid\". Say who sends with one of them, for example "
                          "{\"from\": \"whatsapp:+14155238886\"}, or {\"from\": \"+14155238886\"} for SMS.",
                          from ? "it has both" : "it has neither");
        return -EINVAL;
    }
    if (service && (!is_sid(service, "MG") || !has_kind)) {
        (void) buf_printf(reterr, "account: %s", is_sid(service, "MG")
                          ? "with \"messaging_service_sid\" goes \"kind\", which is \"whatsapp\" or \"sms\"."
                          : "\"messaging_service_sid\" is not MG and 32 hexadecimal digits.");
        return -EINVAL;
    }
    if (from && !(is_whatsapp(account) ? target_is_e164(from + strlen(WHATSAPP)) : is_sms_sender(from))) {
        (void) buf_append_string(reterr, "account: \"from\" is not a sender. It is whatsapp:+14155238886 for WhatsApp; for SMS a "
                                 "number (+14155238886), a short code, or a name of at most 11 letters and digits.");
        return -EINVAL;
    }
    if (from && json_at(account, "kind") && (!has_kind || is_whatsapp(account) != (strcmp(kind, "whatsapp") == 0))) {
        (void) buf_append_string(reterr, "account: \"kind\" contradicts \"from\", which alone says whether it is WhatsApp or SMS. "
                                 "Leave \"kind\" out.");
        return -EINVAL;
    }
    return 0;
}

/* Why account.status_callback can't be one, ending the sentence "the URL …"; NULL: it can, or there is none. */
static const char *callback_fault(const struct json_value *account) {
    const char *callback = json_text_at(account, "status_callback"), *fault = NULL;

    if (!json_at(account, "status_callback"))
        return NULL;
    if (!callback)
        return "is no text";
    if (url_check(callback, &fault) < 0)
        return fault;
    return strlen(callback) > CALLBACK_BYTES_MAX ? "is too long" : NULL;
}

static int check_account(const struct json_value *account, struct buf *reterr) {
    if (!is_sid(json_text_at(account, "account_sid"), "AC")) {
        (void) buf_printf(reterr, "account: \"account_sid\" is %s. It is AC and 32 hexadecimal digits, from the Twilio console; "
                          "an account is, for example, {\"account_sid\": \"AC…\", \"from\": \"whatsapp:+14155238886\"}.",
                          json_at(account, "account_sid") ? "not an account's SID" : "missing");
        return -EINVAL;
    }
    if (json_at(account, "api_key_sid") && !is_sid(json_text_at(account, "api_key_sid"), "SK")) {
        (void) buf_append_string(reterr, "account: \"api_key_sid\" is not SK and 32 hexadecimal digits. Correct it, or leave it "
                                 "out where the credential is the auth token.");
        return -EINVAL;
    }
    if (callback_fault(account)) {
        (void) buf_printf(reterr, "account: \"status_callback\": the URL %s. It is where Twilio reaches pgherald web, for example "
                          "https://hooks.example.org/twilio.", callback_fault(account));
        return -EINVAL;
    }
    return check_sender(account, reterr);
}

static int twilio_check(const struct sender *sender, struct buf *reterr) {
    int r = check_account(sender->account, reterr);

    if (r >= 0 && sender->base_url && *sender->base_url)
        r = compose_check_base_url(sender, "Leave it empty for " TWILIO_URL ".", reterr);
    if (r >= 0)
        r = compose_check_credential(sender, "auth token",
                                     "Store the account's auth token (or with \"api_key_sid\" that key's secret) as a secret, and "
                                     "set the sender's credential to the secret's name, for example 'twilio_token'.", reterr);
    return r;
}

/* --- the request --- */

static bool has_content(const struct message *m) {
    return m->template && is_sid(json_text_at(m->template, "name"), "HX");
}

/* Twilio passes a caption on with an image or a video only; to a telephone, with whatever it is. */
static int check_media(const struct sender *sender, const struct message *m, struct outcome *ret) {
    struct media media;

    if (!is_whatsapp(sender->account))
        return media_read(m, &media, ret) && (!*m->body || compose_check_text(m, "Twilio", TWILIO_BODY_LENGTH_MAX, ret));
    if (media_read_whatsapp(m, "Twilio", &media, ret) == 0)
        return 0;
    if (media.type == MEDIA_DOCUMENT && !text_is_blank(m->body))
        return compose_reject("Twilio passes on no caption with a document; leave it out, or say it in the message before", ret);
    return 1;
}

/* 1, or 0 and the outcome. */
static int check_message(const struct sender *sender, const struct message *m, struct outcome *ret) {
    if (m->is_group)
        return compose_reject("Twilio reaches no groups; use a wppconnect sender", ret);
    if (!target_is_e164(m->target))
        return compose_reject("the target is not an E.164 number: + and 7 to 15 digits", ret);
    if (m->media)
        return check_media(sender, m, ret);
    if (has_content(m))
        return 1;
    if (m->template && is_whatsapp(sender->account))
        return compose_reject("the template's gateway_name is no ContentSid (HX and 32 hexadecimal digits), by which alone Twilio "
                              "knows templates; set it in herald.templates", ret);
    if (m->template && text_is_blank(m->body))
        return compose_reject("the template has no body, and its gateway_name is no ContentSid", ret);
    return compose_check_text(m, "Twilio", TWILIO_BODY_LENGTH_MAX, ret);
}

/* One variable: 1, 0 and the outcome, or a negative errno. */
static int write_variable(struct json_writer *w, const struct json_value *parameter, unsigned position, struct buf *flat,
                          struct outcome *ret) {
    const char *name = json_text_at(parameter, "name"), *text = json_text_at(parameter, "text");
    int r = text_flatten(flat, text ? text : "");
    char number[16];

    if (r == -ENOMEM)
        return r;
    if (r < 0 || position > TWILIO_VARIABLES_MAX || text_length(buf_string(flat)) > TWILIO_VARIABLE_LENGTH_MAX) {
        outcome_set(ret, OUTCOME_REJECTED, SCOPE_MESSAGE, 0, 0, "template parameter %u is longer than %d characters, or one of "
                    "more than %d", position, TWILIO_VARIABLE_LENGTH_MAX, TWILIO_VARIABLES_MAX);
        return 0;
    }
    if (text_is_blank(buf_string(flat))) {
        outcome_set(ret, OUTCOME_REJECTED, SCOPE_MESSAGE, 0, 0, "template parameter %u is empty, which WhatsApp refuses", position);
        return 0;
    }
    (void) snprintf(number, sizeof(number), "%u", position);
    json_write_member(w, name ? name : number, buf_string(flat));
    return 1;
}

static int write_variables(const struct json_value *template, struct buf *out, struct outcome *ret) {
    _cleanup_(json_writer_freep) struct json_writer *w = json_writer_new(out);
    _cleanup_(buf_done) struct buf flat = BUF_MAX(TWILIO_VARIABLE_BYTES_MAX);
    const struct json_value *parameters = json_at(template, "parameters");
    unsigned position = 0;
    int r = 1;

    if (!w)
        return -ENOMEM;
    json_write_object(w);
    for (const struct json_value *p = parameters ? json_first(parameters) : NULL; p && r > 0; p = json_next(p))
        r = write_variable(w, p, ++position, &flat, ret);
    if (r <= 0)
        return r;
    json_write_object_end(w);
    r = json_writer_finish(w);
    return r < 0 ? r : 1;
}

static int write_content(const struct message *m, struct buf *out, struct outcome *ret) {
    _cleanup_(buf_done) struct buf variables = BUF_MAX(REQUEST_BODY_BYTES_MAX);
    int r = write_variables(m->template, &variables, ret);

    if (r <= 0)
        return r;
    (void) form_append(out, "ContentSid", json_text_at(m->template, "name"));
    if (strcmp(buf_string(&variables), "{}") != 0)
        (void) form_append(out, "ContentVariables", buf_string(&variables));
    return 1;
}

static int write_form(const struct sender *sender, const struct message *m, struct buf *out, struct outcome *ret) {
    const char *from = json_text_at(sender->account, "from"), *callback = json_text_at(sender->account, "status_callback");
    _cleanup_(buf_done) struct buf to = BUF_MAX(64), url = BUF_MAX(REQUEST_URL_BYTES_MAX);
    int r = 1;

    (void) buf_printf(&to, "%s%s", is_whatsapp(sender->account) ? WHATSAPP : "", m->target);
    (void) form_append(out, "To", buf_string(&to));
    if (from)
        (void) form_append(out, "From", from);
    else
        (void) form_append(out, "MessagingServiceSid", json_text_at(sender->account, "messaging_service_sid"));
    if (has_content(m))
        r = write_content(m, out, ret);
    else if (*m->body)
        (void) form_append(out, "Body", m->body);
    if (m->media)
        (void) form_append(out, "MediaUrl", json_text_at(m->media, "url"));
    if (callback) {
        (void) twilio_write_callback(&url, callback, m->id, m->attempt_id);
        (void) form_append(out, "StatusCallback", buf_string(&url));
    }
    if (r > 0 && buf_error(&to) < 0)
        r = buf_error(&to);
    if (r > 0 && buf_error(&url) < 0)
        r = buf_error(&url);
    if (r > 0 && buf_error(out) < 0)
        r = buf_error(out);
    return r == -EMSGSIZE ? compose_reject("the message with its template parameters is too large", ret) : r;
}

static int write_head(const struct sender *sender, struct request *request) {
    _cleanup_(buf_wipe) struct buf who = BUF_MAX(REQUEST_HEADER_BYTES_MAX / 2), basic = BUF_MAX(REQUEST_HEADER_BYTES_MAX);
    const char *account = json_text_at(sender->account, "account_sid"), *key = json_text_at(sender->account, "api_key_sid");
    int r;

    (void) url_append_base(&request->url, sender->base_url && *sender->base_url ? sender->base_url : TWILIO_URL);
    (void) buf_printf(&request->url, "/2010-04-01/Accounts/%s/Messages.json", account);
    (void) buf_printf(&who, "%s:%s", key ? key : account, sender->secret);
    (void) buf_append_string(&basic, "Basic ");
    (void) base64_append(&basic, buf_string(&who), who.size);
    r = buf_error(&request->url);
    if (r >= 0)
        r = buf_error(&who);
    if (r >= 0)
        r = buf_error(&basic);
    if (r >= 0)
        r = request_add_header(request, "Authorization", buf_string(&basic));
    if (r >= 0)
        r = request_add_header(request, "Content-Type", "application/x-www-form-urlencoded");
    return r;
}

static int twilio_request(const struct sender *sender, const struct message *message, struct request *ret_request,
                          struct outcome *ret_outcome) {
    _cleanup_(buf_done) struct buf fault = BUF_MAX(CHECK_FAULT_BYTES);
    int r;

    if (twilio_check(sender, &fault) < 0)
        return compose_incomplete(&fault, ret_outcome);
    if (check_message(sender, message, ret_outcome) == 0)
        return 0;
    r = compose_head(write_head(sender, ret_request), ret_outcome);
    return r > 0 ? write_form(sender, message, &ret_request->body, ret_outcome) : r;
}

/* --- the answer --- */

static int64_t code_at(const struct json_value *root, const char *path) {
    int64_t code;

    return json_int_at(root, path, &code) < 0 || code == 0 ? OUTCOME_CODE_NONE : code;
}

static bool has_failed(const char *status) {
    return strcmp(status, "failed") == 0 || strcmp(status, "undelivered") == 0 || strcmp(status, "canceled") == 0;
}

/* 2xx: taken, or failed already, or nobody knows. */
static void understand_success(const struct sender *sender, const struct message *message, const struct reply *reply,
                               const struct json_value *root, const char *fault, struct outcome *ret) {
    const char *sid = json_text_at(root, "sid"), *status = json_text_at(root, "status");
    const char *error = json_text_at(root, "error_message");
    char words[OUTCOME_REASON_BYTES];

    if (!is_message_sid(sid) || !status) {
        scrub_reply(reply, root, sender, message, words, sizeof(words));
        outcome_set(ret, OUTCOME_IN_DOUBT, SCOPE_MESSAGE, 0, reply->status, "HTTP %d, but the answer can't be understood: %s%s%s",
                    reply->status,
                    root ? "it has no message's sid and status" : reply->body_size == 0 ? "it is empty" : fault,
                    *words ? ": " : "", words);
        return;
    }
    if (has_failed(status)) {
        int64_t code = code_at(root, "error_code");

        scrub_text(error, error ? strlen(error) : 0, sender, message, words, sizeof(words));
        outcome_classify(twilio_failed_table(reply, code), reply, code, words, ret);
        return;
    }
    if (!outcome_accept(ret, reply->status, sid))
        outcome_set(ret, OUTCOME_IN_DOUBT, SCOPE_MESSAGE, 0, reply->status, "HTTP %d, but its sid can't be kept", reply->status);
}

static void twilio_understand(const struct sender *sender, const struct message *message, const struct reply *reply,
                              struct outcome *ret_outcome) {
    _cleanup_(json_freep) struct json *doc = NULL;
    const struct json_value *root = NULL;
    const char *fault = "it is not JSON";
    char words[OUTCOME_REASON_BYTES];
    int64_t code;

    if (json_parse(reply->body ? reply->body : "", reply->body ? reply->body_size : 0, &doc, &fault) >= 0)
        root = json_root(doc);
    if (reply->status / 100 == 2) {
        understand_success(sender, message, reply, root, fault, ret_outcome);
        return;
    }
    scrub_reply(reply, root, sender, message, words, sizeof(words));
    code = code_at(root, "code");
    outcome_classify(twilio_table(reply, code), reply, code, words, ret_outcome);
}

const struct gateway gateway_twilio = {
    .name = "twilio",
    .check = twilio_check,
    .request = twilio_request,
    .understand = twilio_understand,
};
