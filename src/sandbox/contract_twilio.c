/* Twilio: POST /2010-04-01/Accounts/{AccountSid}/Messages.json, a form, for WhatsApp and SMS. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "base/base64.h"
#include "base/text.h"
#include "io/form.h"
#include "sandbox/contract.h"

enum { TEXT_CHARACTERS_MAX = 1600, DIGITS_MIN = 7, DIGITS_MAX = 15, CREDENTIAL_BYTES_MAX = 1024 };

#define WHATSAPP "whatsapp:"
#define TWILIO_JSON "application/json;charset=utf-8"

struct twilio_error {
    unsigned status;
    int64_t code;
    const char *message;
};

/* What an error of a status is taken for, where no code was said. */
static struct twilio_error error_of_status(unsigned status) {
    static const struct twilio_error errors[] = {
        {400, 21211, "Invalid 'To' Phone Number"}, {401, 20003, "Authenticate"}, {403, 20403, "Forbidden"},
        {404, 20404, "The requested resource was not found"}, {429, 20429, "Too Many Requests"},
        {503, 20503, "Service is unavailable"},
    };

    for (size_t i = 0; i < ELEMENTSOF(errors); i++)
        if (errors[i].status == status)
            return errors[i];
    return (struct twilio_error) {status, 20500, "Internal server error"};
}

static int write_error(const struct twilio_error *e, struct sandbox_reply *a) {
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, e->status, TWILIO_JSON);
    _cleanup_(buf_done) struct buf info = BUF_MAX(128);
    if (!w || buf_printf(&info, "https://www.twilio.com/docs/errors/%" PRId64, e->code) < 0)
        return -ENOMEM;
    json_write_object(w);
    json_write_key(w, "code");
    json_write_int(w, e->code);
    json_write_member(w, "message", e->message);
    json_write_member(w, "more_info", buf_string(&info));
    json_write_key(w, "status");
    json_write_int(w, e->status);
    json_write_object_end(w);
    int r = json_writer_finish(w);
    return r < 0 ? r : 1;
}

static int refuse(unsigned status, int64_t code, const char *message, struct sandbox_reply *a) {
    return write_error(&(struct twilio_error) {status, code, message}, a);
}

static bool is_sid(const char *text, const char *prefix) {
    return strncmp(text, prefix, 2) == 0 && strspn(text + 2, "0123456789abcdef") == 32 && text[34] == '\0';
}

/* Any password for the account itself; with a token, that one, as the account's or as an API key's secret. */
static bool is_authorized(const struct sandbox *s, const struct call *call, const char *account) {
    _cleanup_(buf_done) struct buf who = BUF_MAX(CREDENTIAL_BYTES_MAX), expected = BUF_MAX(2 * CREDENTIAL_BYTES_MAX);
    const char *said = call->authorization;
    if (!said || strncasecmp(said, "Basic ", 6) != 0)
        return false;
    said += 6;
    if (!s->token)
        return *said;
    (void) buf_printf(&who, "%s:%s", account, s->token);
    (void) base64_append(&expected, buf_string(&who), who.size);
    return strcmp(said, buf_string(&expected)) == 0;
}

/* Both are of one kind: whatsapp:+number, or a number alone. */
static bool is_whatsapp(const char *address) {
    return strncmp(address, WHATSAPP, strlen(WHATSAPP)) == 0;
}

static bool is_number_good(const char *to) {
    size_t digits;
    to += is_whatsapp(to) ? strlen(WHATSAPP) : 0;
    digits = *to == '+' ? strspn(to + 1, "0123456789") : 0;
    return digits >= DIGITS_MIN && digits <= DIGITS_MAX && to[1 + digits] == '\0';
}

/* NULL: the request is good. */
static const struct twilio_error *fault_of(const struct form *form) {
    static const struct twilio_error no_to = {400, 21604, "A 'To' phone number is required."},
        bad_to = {400, 21211, "Invalid 'To' Phone Number"}, no_from = {400, 21603, "A 'From' phone number is required."},
        mixed = {400, 63007, "Twilio could not find a Channel with the specified From address"},
        no_body = {400, 21619, "A text message body or media urls must be specified."},
        long_body = {400, 21617, "The concatenated message body exceeds the 1600 character limit"},
        bad_content = {400, 21655, "The ContentSid is Invalid"},
        bad_media = {400, 21620, "Invalid media URL(s)"},
        bad_callback = {400, 21609, "The 'StatusCallback' URL is not valid"};
    const char *to = form_value(form, "To"), *from = form_value(form, "From"), *service = form_value(form, "MessagingServiceSid");
    const char *body = form_value(form, "Body"), *content = form_value(form, "ContentSid");
    const char *callback = form_value(form, "StatusCallback"), *media = form_value(form, "MediaUrl");
    if (!to || !*to)
        return &no_to;
    if (!is_number_good(to))
        return &bad_to;
    if (!(from && *from) && !(service && is_sid(service, "MG")))
        return &no_from;
    if (from && is_whatsapp(from) != is_whatsapp(to))
        return &mixed;
    if (content && !is_sid(content, "HX"))
        return &bad_content;
    if (media && !text_is_web_address(media))
        return &bad_media;
    if (!content && !media && !(body && *body))
        return &no_body;
    if (body && text_length(body) > TEXT_CHARACTERS_MAX)
        return &long_body;
    return callback && strncmp(callback, "http://", 7) != 0 && strncmp(callback, "https://", 8) != 0 ? &bad_callback : NULL;
}

static int write_success(const struct form *form, const char *account, const char *sid, struct sandbox_reply *a) {
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, 201, TWILIO_JSON);
    if (!w)
        return -ENOMEM;
    json_write_object(w);
    json_write_member(w, "sid", sid);
    json_write_member(w, "account_sid", account);
    json_write_member(w, "to", form_value(form, "To"));
    json_write_member(w, "from", form_value(form, "From"));
    json_write_member(w, "messaging_service_sid", form_value(form, "MessagingServiceSid"));
    json_write_member(w, "body", form_value(form, "Body") ? form_value(form, "Body") : "");
    json_write_member(w, "status", form_value(form, "MessagingServiceSid") ? "accepted" : "queued");
    json_write_member(w, "num_segments", "1");
    json_write_key(w, "error_code");
    json_write_null(w);
    json_write_key(w, "error_message");
    json_write_null(w);
    json_write_object_end(w);
    return json_writer_finish(w);
}

/* {"ContentSid", "ContentVariables"}, for the page. */
static int write_template(const struct form *form, struct buf *out) {
    _cleanup_(json_writer_freep) struct json_writer *w = json_writer_new(out);
    if (!w)
        return -ENOMEM;
    json_write_object(w);
    json_write_member(w, "ContentSid", form_value(form, "ContentSid"));
    json_write_member(w, "ContentVariables", form_value(form, "ContentVariables"));
    json_write_object_end(w);
    return json_writer_finish(w);
}

/* What kind of media it is the real one asks where they are; the sandbox, which fetches nothing, does not know. */
static int write_media(const struct form *form, struct buf *out) {
    return sandbox_write_media(out, "media", form_value(form, "MediaUrl"), NULL);
}

/* A second copy is known by the message's id, which the address of its callback may hold: "…id=ID.ATTEMPT". */
static const char *key_of(const char *callback, char ret[static 32]) {
    const char *id = callback ? strstr(callback, "id=") : NULL;
    size_t digits = id ? strspn(id + 3, "0123456789") : 0;
    if (digits == 0 || digits > 20)
        return NULL;
    (void) snprintf(ret, 32, "%.*s", (int) digits, id + 3);
    return ret;
}

static int post_message(struct sandbox *s, const struct form *form, const char *account, struct sandbox_reply *a) {
    const struct twilio_error *fault = fault_of(form);
    if (fault)
        return write_error(fault, a);
    char first[19], second[19], sid[64], key[32];
    sandbox_new_id(s, first);
    sandbox_new_id(s, second);
    (void) snprintf(sid, sizeof(sid), "SM%.16s%.16s", first, second);
    for (char *p = sid + 2; *p; p++)
        *p = *p >= 'A' && *p <= 'F' ? (char) (*p - 'A' + 'a') : *p;
    const char *to = form_value(form, "To"), *callback = form_value(form, "StatusCallback"), *body = form_value(form, "Body");
    _cleanup_(buf_done) struct buf template = BUF_MAX(CALL_BODY_BYTES_MAX), media = BUF_MAX(CALL_BODY_BYTES_MAX);
    struct chat_arrival arrival = {
        .gateway = CHAT_TWILIO,
        .text = {[CHAT_SENDER] = account, [CHAT_RECIPIENT] = is_whatsapp(to) ? to + strlen(WHATSAPP) : to,
                 [CHAT_BODY] = body ? body : "", [CHAT_MESSAGE_ID] = sid, [CHAT_OPAQUE] = callback,
                 [CHAT_KEY] = key_of(callback, key)},
    };
    int r = form_value(form, "ContentSid") ? write_template(form, &template) : 0;
    if (r < 0)
        return r;
    r = form_value(form, "MediaUrl") ? write_media(form, &media) : 0;
    if (r < 0)
        return r;
    if (media.size > 0)
        arrival.text[CHAT_MEDIA] = buf_string(&media);
    if (template.size > 0)
        arrival.text[CHAT_TEMPLATE] = buf_string(&template);
    struct verdict verdict;
    r = sandbox_receive(s, &arrival, 201, a, &verdict);
    if (r == -EMSGSIZE)
        return refuse(400, 21609, "A field of the request is too long", a);
    if (r < 0)
        return r;
    if (verdict.status != 0) {
        struct twilio_error e = error_of_status(verdict.status);
        return refuse(e.status, verdict.code ? verdict.code : e.code,
                      verdict.code ? "Refused, as the sandbox was told" : e.message, a);
    }
    r = write_success(form, account, sid, a);
    if (r >= 0)
        r = sandbox_reply_spoil(a, &verdict);
    return r < 0 ? r : 1;
}

int contract_twilio(struct sandbox *s, const struct call *call, struct sandbox_reply *a) {
    char parts[PATH_PARTS_MAX][PATH_PART_BYTES];
    if (!call_path_matches("/2010-04-01/Accounts/*/Messages.json", call->path, parts))
        return 0;
    if (!is_authorized(s, call, parts[0]))
        return refuse(401, 20003, "Authenticate", a);
    if (strcmp(call->method, "POST") != 0 || !is_sid(parts[0], "AC"))
        return refuse(404, 20404, "The requested resource was not found", a);
    _cleanup_(form_freep) struct form *form = NULL;
    int r = form_parse(call->body, call->body_size, &form);
    if (r == -EBADMSG)
        return refuse(400, 20001, "The request is no form", a);
    return r < 0 ? r : post_message(s, form, parts[0], a);
}
