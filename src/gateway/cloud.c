/* Meta's WhatsApp Cloud API: POST BASE/VERSION/PHONE_NUMBER_ID/messages.
 *
 * account: {"phone_number_id": "106540352242922", "api_version": "v25.0"}; the credential is an access token with the permission
 * whatsapp_business_messaging. There is no idempotency key: "ID.ATTEMPT" of ours goes out as biz_opaque_callback_data and comes
 * back in every status webhook, which is how an attempt in doubt is settled. What answers mean: cloud_table.c. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "gateway/cloud_table.h"
#include "gateway/compose.h"
#include "gateway/groups.h"
#include "gateway/media.h"
#include "gateway/scrub.h"
#include "gateway/target.h"
#include "gateway/understand.h"
#include "io/url.h"

#define CLOUD_URL "https://graph.facebook.com"
#define CLOUD_NAME "the Cloud API"
#define CLOUD_VERSION "v25.0"

enum {
    CLOUD_BODY_LENGTH_MAX = 4096,
    CLOUD_PARAMETER_LENGTH_MAX = 32768,
    CLOUD_PARAMETER_BYTES_MAX = 4 * CLOUD_PARAMETER_LENGTH_MAX,
    CONFIGURATION_WAIT_SEC = 60,
    CHECK_FAULT_BYTES = 2048,
};

static bool is_version(const char *text) {
    size_t major = text[0] == 'v' ? strspn(text + 1, "0123456789") : 0;

    return major > 0 && text[1 + major] == '.' && text_is_digits(text + major + 2);
}

static int check_account(const struct sender *sender, struct buf *reterr) {
    const char *number = json_text_at(sender->account, "phone_number_id");
    const char *version = json_text_at(sender->account, "api_version");

    if (!number || !text_is_digits(number) || strlen(number) > 32) {
        (void) buf_printf(reterr, "account: \"phone_number_id\" is %s. It is the number's id (not the number itself) from the "
                          "WhatsApp Manager, all digits; set account to, for example, {\"phone_number_id\": "
                          "\"106540352242922\"}.", number ? "not a number's id" : "missing");
        return -EINVAL;
    }
    if (json_at(sender->account, "api_version") && (!version || !is_version(version) || strlen(version) > 16)) {
        (void) buf_printf(reterr, "account: \"api_version\" is not a version of the Graph API. Write it as \"%s\", or leave it "
                          "out.", CLOUD_VERSION);
        return -EINVAL;
    }
    return 0;
}

static int cloud_check(const struct sender *sender, struct buf *reterr) {
    int r = check_account(sender, reterr);

    if (r >= 0 && sender->base_url && *sender->base_url)
        r = compose_check_base_url(sender, "Leave it empty for " CLOUD_URL ".", reterr);
    if (r >= 0)
        r = compose_check_credential(sender, "access token",
                                     "Store an access token with the permission whatsapp_business_messaging as a secret, and set "
                                     "the sender's credential to the secret's name, for example 'whatsapp_token'.", reterr);
    return r;
}

/* --- the request --- */

/* 1, or 0 and the outcome. */
static int check_message(const struct message *m, struct outcome *ret) {
    if (m->is_group && !target_is_cloud_group(m->target))
        return compose_reject(strstr(m->target, "@g.us")
                                  ? "the Cloud API reaches only groups made through its own Groups API, not a telephone's group; "
                                    "use a wppconnect sender"
                                  : "the target is not a group id of the Cloud API (base64 text like Y2FwaV9ncm91cDo…)", ret);
    if (!m->is_group && !target_is_e164(m->target))
        return compose_reject("the target is not an E.164 number: + and 7 to 15 digits", ret);
    return m->template || m->media ? 1 : compose_check_text(m, CLOUD_NAME, CLOUD_BODY_LENGTH_MAX, ret);
}

/* One parameter: 1, 0 and the outcome, or a negative errno. */
static int write_parameter(struct json_writer *w, const struct json_value *parameter, unsigned position, struct buf *flat,
                           struct outcome *ret) {
    const char *name = json_text_at(parameter, "name"), *text = json_text_at(parameter, "text");
    int r = text_flatten(flat, text ? text : "");

    if (r == -ENOMEM)
        return r;
    if (r < 0 || text_length(buf_string(flat)) > CLOUD_PARAMETER_LENGTH_MAX) {
        outcome_set(ret, OUTCOME_REJECTED, SCOPE_MESSAGE, 0, 0, "template parameter %u is longer than %d characters", position,
                    CLOUD_PARAMETER_LENGTH_MAX);
        return 0;
    }
    if (text_is_blank(buf_string(flat))) {
        outcome_set(ret, OUTCOME_REJECTED, SCOPE_MESSAGE, 0, 0, "template parameter %u is empty, which WhatsApp refuses",
                    position);
        return 0;
    }
    json_write_object(w);
    json_write_member(w, "type", "text");
    if (name)
        json_write_member(w, "parameter_name", name);
    json_write_member(w, "text", buf_string(flat));
    json_write_object_end(w);
    return 1;
}

static int write_parameters(struct json_writer *w, const struct json_value *parameters, struct outcome *ret) {
    _cleanup_(buf_done) struct buf flat = BUF_MAX(CLOUD_PARAMETER_BYTES_MAX);
    bool first_is_named = json_text_at(json_first(parameters), "name") != NULL;
    unsigned position = 0;

    json_write_key(w, "components");
    json_write_array(w);
    json_write_object(w);
    json_write_member(w, "type", "body");
    json_write_key(w, "parameters");
    json_write_array(w);
    for (const struct json_value *p = json_first(parameters); p; p = json_next(p)) {
        int r;

        if ((json_text_at(p, "name") != NULL) != first_is_named)
            return compose_reject("some template parameters have names and some have none; WhatsApp takes all or none", ret);
        r = write_parameter(w, p, ++position, &flat, ret);
        if (r <= 0)
            return r;
    }
    json_write_array_end(w);
    json_write_object_end(w);
    json_write_array_end(w);
    return 1;
}

static int write_template(struct json_writer *w, const struct json_value *template, struct outcome *ret) {
    const char *name = json_text_at(template, "name"), *language = json_text_at(template, "language");
    const struct json_value *parameters = json_at(template, "parameters");
    int r = 1;

    if (text_is_blank(name) || text_is_blank(language))
        return compose_reject("the template has no gateway_name or no gateway_locale; set both in herald.templates", ret);
    json_write_member(w, "type", "template");
    json_write_key(w, "template");
    json_write_object(w);
    json_write_member(w, "name", name);
    json_write_key(w, "language");
    json_write_object(w);
    json_write_member(w, "code", language);
    json_write_object_end(w);
    if (parameters && json_type(parameters) == JSON_ARRAY && json_first(parameters))
        r = write_parameters(w, parameters, ret);
    else if (parameters && json_type(parameters) != JSON_ARRAY && json_type(parameters) != JSON_NULL)
        r = compose_reject("the template's parameters are not a list", ret);
    json_write_object_end(w);
    return r;
}

static void write_text(struct json_writer *w, const char *body) {
    json_write_member(w, "type", "text");
    json_write_key(w, "text");
    json_write_object(w);
    json_write_key(w, "preview_url");
    json_write_bool(w, false);
    json_write_member(w, "body", body);
    json_write_object_end(w);
}

static int write_media(struct json_writer *w, const struct message *m, struct outcome *ret) {
    struct media media;
    const char *type;

    if (media_read_whatsapp(m, CLOUD_NAME, &media, ret) == 0)
        return 0;
    type = media_type_to_string(media.type);
    json_write_member(w, "type", type);
    json_write_key(w, type);
    json_write_object(w);
    json_write_member(w, "link", media.url);
    if (*m->body)
        json_write_member(w, "caption", m->body);
    if (media.type == MEDIA_DOCUMENT && *media.filename)
        json_write_member(w, "filename", media.filename);
    json_write_object_end(w);
    return 1;
}

static int write_body(const struct message *m, struct buf *out, struct outcome *ret) {
    _cleanup_(json_writer_freep) struct json_writer *w = json_writer_new(out);
    char key[48];
    int r = 1;

    if (!w)
        return -ENOMEM;
    json_write_object(w);
    json_write_member(w, "messaging_product", "whatsapp");
    json_write_member(w, "recipient_type", m->is_group ? "group" : "individual");
    json_write_member(w, "to", m->target);
    if (m->template)
        r = write_template(w, m->template, ret);
    else if (m->media)
        r = write_media(w, m, ret);
    else
        write_text(w, m->body);
    if (r <= 0)
        return r;
    (void) snprintf(key, sizeof(key), "%" PRId64 ".%" PRId64, m->id, m->attempt_id);
    json_write_member(w, "biz_opaque_callback_data", key);
    json_write_object_end(w);
    return compose_body(json_writer_finish(w), ret);
}

/* Of the number itself (rest ""), or of what is below it. */
static int write_head(const struct sender *sender, const char *rest, struct request *request) {
    const char *version = json_text_at(sender->account, "api_version");
    int r;

    (void) url_append_base(&request->url, sender->base_url && *sender->base_url ? sender->base_url : CLOUD_URL);
    (void) buf_printf(&request->url, "/%s/%s%s", version ? version : CLOUD_VERSION,
                      json_text_at(sender->account, "phone_number_id"), rest);
    r = buf_error(&request->url);
    if (r >= 0)
        r = compose_add_credential(request, "Authorization", "Bearer ", sender);
    if (r >= 0 && strcmp(request->method, "POST") == 0)
        r = request_add_header(request, "Content-Type", "application/json");
    return r;
}

static int cloud_request(const struct sender *sender, const struct message *message, struct request *ret_request,
                         struct outcome *ret_outcome) {
    _cleanup_(buf_done) struct buf fault = BUF_MAX(CHECK_FAULT_BYTES);
    int r;

    if (cloud_check(sender, &fault) < 0)
        return compose_incomplete(&fault, ret_outcome);
    r = check_message(message, ret_outcome);
    if (r > 0)
        r = compose_head(write_head(sender, "/messages", ret_request), ret_outcome);
    return r > 0 ? write_body(message, &ret_request->body, ret_outcome) : r;
}

/* --- the answer --- */

/* "message: details", scrubbed; error_data may be the details themselves. */
static void error_words(const struct sender *sender, const struct message *message, const struct json_value *error, char *ret,
                        size_t ret_size) {
    _cleanup_(buf_wipe) struct buf words = BUF_MAX(8192);
    const char *title = json_text_at(error, "message");
    const char *details = json_text_at(error, "error_data.details");

    if (!details)
        details = json_text_at(error, "error_data");
    if (!details)
        details = json_text_at(error, "error_user_msg");
    if (title)
        (void) text_append_utf8(&words, title, strlen(title), 1024);
    if (details)
        (void) buf_append_string(&words, title ? ": " : "");
    if (details)
        (void) text_append_utf8(&words, details, strlen(details), 4096);
    scrub_text(buf_string(&words), words.size, sender, message, ret, ret_size);
}

static int64_t error_code(const struct json_value *error) {
    int64_t code, subcode;

    if (json_int_at(error, "code", &code) < 0)
        return OUTCOME_CODE_NONE;
    if (code == 100 && json_int_at(error, "error_subcode", &subcode) == 0 && subcode == 33)
        return 33; /* the same fault under its newer name */
    return code == 0 ? OUTCOME_CODE_ZERO : code;
}

/* 2xx: taken, or nobody knows. */
static void understand_success(const struct understood *a, struct outcome *ret) {
    const char *id = understood_string(a, "messages.0.id");

    if (understood_is_page(a))
        understood_page(a, ret);
    else if (!id || !outcome_accept(ret, a->reply->status, id))
        understood_doubt(a, json_at(a->root, "messages.0.id") ? "its messages[0].id can't be kept" : "it has no messages[0].id",
                         ret);
}

static void cloud_understand(const struct sender *sender, const struct message *message, const struct reply *reply,
                             struct outcome *ret_outcome) {
    _cleanup_(understood_done) struct understood answer;
    const struct json_value *error;
    bool has_error;
    int64_t code;

    understood_init(&answer, reply, sender, message);
    error = json_at(answer.root, "error");
    has_error = error && json_type(error) == JSON_OBJECT;
    if (has_error)
        error_words(sender, message, error, answer.words, sizeof(answer.words));
    if (reply->status / 100 == 2) {
        understand_success(&answer, ret_outcome);
        return;
    }
    code = has_error ? error_code(error) : OUTCOME_CODE_NONE;
    outcome_classify(cloud_table(reply, code, has_error, has_error && json_is_true_at(error, "is_transient")), reply, code,
                     answer.words, ret_outcome);
}

/* --- how it is: whether the token still opens the number --- */

static int cloud_ask(const struct sender *sender, enum purpose purpose, _unused_ unsigned step, struct request *ret_request) {
    _cleanup_(buf_done) struct buf fault = BUF_MAX(CHECK_FAULT_BYTES);
    int r = purpose == PURPOSE_HEALTH ? cloud_check(sender, &fault) : -EOPNOTSUPP;

    ret_request->method = "GET";
    return r < 0 ? r : write_head(sender, "?fields=id", ret_request);
}

static void cloud_hear(const struct sender *sender, _unused_ enum purpose purpose, _unused_ unsigned step,
                       const struct reply *reply, struct health *ret_health) {
    struct outcome outcome;

    if (reply->status == 200) {
        *ret_health = (struct health) {.kind = HEALTH_WELL};
        return;
    }
    cloud_understand(sender, NULL, reply, &outcome);
    health_from_outcome(&outcome, ret_health);
}

/* --- its groups --- */

static int cloud_ask_groups(const struct sender *sender, const char *after, struct request *ret_request) {
    _cleanup_(buf_done) struct buf fault = BUF_MAX(CHECK_FAULT_BYTES), rest = BUF_MAX(REQUEST_URL_BYTES_MAX);
    int r = cloud_check(sender, &fault);

    ret_request->method = "GET";
    (void) buf_append_string(&rest, "/groups?limit=1024");
    if (*after) {
        (void) buf_append_string(&rest, "&after=");
        (void) url_append_escaped(&rest, after);
    }
    if (r >= 0)
        r = buf_error(&rest);
    return r < 0 ? r : write_head(sender, buf_string(&rest), ret_request);
}

static const struct groups_shape groups = {
    .items = "data.groups",
    .ids = {"id"},
    .names = {"subject"},
    .next = "paging.cursors.after",
    .more = "paging.next",
    .is_group = target_is_cloud_group,
};

const struct gateway gateway_cloud = {
    .name = "cloud",
    .check = cloud_check,
    .request = cloud_request,
    .understand = cloud_understand,
    .ask = cloud_ask,
    .hear = cloud_hear,
    .ask_groups = cloud_ask_groups,
    .groups = &groups,
};
