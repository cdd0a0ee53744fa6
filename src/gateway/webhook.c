/* Any gateway that takes JSON over HTTP: base_url is the whole URL (account.path, where given, follows it), and the rest is told
 * by the sender's account. Two that work as they stand:
 *
 * A gateway on whatsapp-web.js with POST /send-message, base_url http://127.0.0.1:3000:
 *
 *     {"path": "/send-message",
 *      "body": {"phone": "{{phone}}", "message": "{{body}}"},
 *      "success": {"status": [200], "path": "messageId", "equals": {"success": true}},
 *      "rejected": {"status": [400]}}
 *
 * An n8n workflow with header authentication, base_url https://n8n.example.org/webhook/alerts:
 *
 *     {"headers": {"X-Api-Key": "{{credential}}"},
 *      "body": {"to": "{{target}}", "kind": "{{kind}}", "text": "{{body}}", "key": "{{key}}"}}
 *
 *   method    POST (default), PUT or PATCH
 *   path      follows base_url
 *   media     body, path: in place of these, for a message that is an image, a video, audio or a document; without it, body is
 *             taken for them too, and must name {{media.url}}
 *   headers   name: value; Content-Type is application/json; charset=utf-8 unless named here
 *   body      any JSON; placeholders in its strings are replaced, and the strings stay strings
 *   success   status: one, a list, or "2xx" (default); path: where the message's id stands; equals: path: value, all of
 *             which must be so
 *   rejected  status: these mean that this message will never be taken; default 400 and 422
 *
 * Placeholders: {{target}} as it is in the row, {{phone}} without its +, {{body}}, {{id}}, {{attempt_id}}, {{key}} (the two with
 * a dot: no two attempts have the same), {{kind}} (individual, group), {{media.type}} (image, video, audio, document),
 * {{media.url}} and {{media.filename}} ({{body}} is the caption then; of a text they are ""), and in headers {{credential}}. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "gateway/compose.h"
#include "gateway/media.h"
#include "gateway/placeholder.h"
#include "gateway/target.h"
#include "gateway/understand.h"
#include "gateway/webhook_check.h"
#include "io/url.h"

enum {
    CONFIGURATION_WAIT_SEC = 60,
    CHECK_FAULT_BYTES = 2048,
    NEW_CONTACTS_WAIT_SEC = 6 * 60 * 60,
};

/* Words of well-known gateways come before their status, which alone would say something else. */
static const struct outcome_rule words_first[] = {
    {.status = 422, .holds = "session status is not as expected", WAIT(SENDER, WAIT_BY_BACKOFF),
     .meaning = "the gateway's session is not working; start or pair it"},
    {.status = 422, .holds = "Session should be", WAIT(SENDER, CONFIGURATION_WAIT_SEC),
     .meaning = "the gateway does not know such a session; correct base_url or account.path"},
    {.status = 400, .holds = "Connection Closed", WAIT(SENDER, WAIT_BY_BACKOFF),
     .meaning = "the gateway's session is not connected"},
    {.status = 400, .holds = "<html", WAIT(SENDER, CONFIGURATION_WAIT_SEC),
     .meaning = "a web page, not the gateway's answer; check base_url and account.path"},
    {.status = 500, .holds = "No LID for user", .kind = OUTCOME_REJECTED, .meaning = "the number is not on WhatsApp"},
    /* WhatsApp's own refusals, which come through in the text: new contacts are barred for now, the known ones are not. */
    {.holds = "returned error 463", WAIT(RECIPIENT, NEW_CONTACTS_WAIT_SEC),
     .meaning = "WhatsApp bars this account from new contacts for now"},
    {.holds = "returned error 475", WAIT(RECIPIENT, NEW_CONTACTS_WAIT_SEC),
     .meaning = "WhatsApp caps this account's messages to new contacts for now"},
    {.meaning = NULL}, /* the status decides */
};

static const struct outcome_rule rejections[] = {
    {.kind = OUTCOME_REJECTED, .meaning = "the gateway rejected it"},
};

static const struct outcome_rule answers[] = {
    {.status = 401, WAIT(SENDER, CONFIGURATION_WAIT_SEC), .meaning = "the credential was refused; renew it"},
    {.status = 403, WAIT(SENDER, CONFIGURATION_WAIT_SEC), .meaning = "not permitted; check the credential"},
    {.status = 404, WAIT(SENDER, CONFIGURATION_WAIT_SEC),
     .meaning = "no such address or session, or the workflow is not active; check base_url and account.path"},
    {.status = 405, WAIT(SENDER, CONFIGURATION_WAIT_SEC), .meaning = "wrong method; check account.method"},
    {.status = 407, WAIT(SENDER, CONFIGURATION_WAIT_SEC), .meaning = "a proxy wants a log-in; check base_url"},
    {.status = 408, WAIT(MESSAGE, WAIT_BY_BACKOFF), .meaning = "the gateway did not get the whole request in time"},
    {.status = 410, WAIT(SENDER, CONFIGURATION_WAIT_SEC), .meaning = "the address is gone; check base_url"},
    {.status = 413, .kind = OUTCOME_REJECTED, .meaning = "the message is too large"},
    {.status = 415, WAIT(SENDER, CONFIGURATION_WAIT_SEC), .meaning = "wrong type of content; set Content-Type in "
                                                                     "account.headers"},
    {.status = 429, WAIT(SENDER, WAIT_BY_BACKOFF), .meaning = "too many requests"},
    {.status = 500, .holds = "could not be started", WAIT(SENDER, WAIT_BY_BACKOFF), .meaning = "the workflow does not start"},
    {.status = 503, .holds = "<html", .kind = OUTCOME_IN_DOUBT, .meaning = "a proxy's page; it may have passed the request on"},
    {.status = 503, WAIT(SENDER, WAIT_BY_BACKOFF), .meaning = "the gateway is not ready"},
    /* A proxy's words: it passed the request on, and the gateway behind it may have sent the message. */
    {.status = 502, .kind = OUTCOME_IN_DOUBT, .meaning = "a proxy passed the request on and could not read the answer"},
    {.status = 504, .kind = OUTCOME_IN_DOUBT, .meaning = "a proxy passed the request on and got no answer in time"},
    {.status = 5, .kind = OUTCOME_IN_DOUBT,
     .meaning = "the gateway failed, and does not say whether before or after it had sent it"},
    {.status = 4, WAIT(MESSAGE, WAIT_BY_BACKOFF), .meaning = "the gateway refused it"},
    {.status = 3, WAIT(SENDER, CONFIGURATION_WAIT_SEC), .meaning = "redirected, which is not followed; correct base_url"},
    {.kind = OUTCOME_IN_DOUBT, .meaning = "an answer that account.success does not tell how to understand"},
};

/* --- the request --- */

struct expansion {
    const struct sender *sender;
    const struct message *message;
    struct buf text;
    int error;
};

static const char *expand_string(const char *text, void *userdata) {
    struct expansion *e = userdata;
    int r;

    if (!strstr(text, "{{"))
        return NULL;
    buf_clear(&e->text);
    r = placeholder_expand(&e->text, text, e->sender, e->message);
    if (r < 0 && e->error == 0)
        e->error = r;
    return buf_string(&e->text);
}

static int write_body(const struct sender *sender, const struct message *message, struct buf *out) {
    _cleanup_(json_writer_freep) struct json_writer *w = json_writer_new(out);
    struct expansion e = {.sender = sender, .message = message, .text = BUF_MAX(REQUEST_BODY_BYTES_MAX)};
    int r;

    if (!w)
        return -ENOMEM;
    json_write_value(w, json_at(webhook_form(sender->account, message), "body"), expand_string, &e);
    buf_done(&e.text);
    r = json_writer_finish(w);
    return e.error < 0 ? e.error : r;
}

static int write_headers(const struct sender *sender, const struct message *message, struct request *request) {
    _cleanup_(buf_wipe) struct buf value = BUF_MAX(REQUEST_HEADER_BYTES_MAX);
    const struct json_value *headers = json_at(sender->account, "headers");
    bool has_type = false;
    int r = 0;

    for (const struct json_value *h = headers ? json_first(headers) : NULL; h && r >= 0; h = json_next(h)) {
        buf_clear(&value);
        r = placeholder_expand(&value, json_text(h), sender, message);
        if (r >= 0)
            r = request_add_header(request, json_key(h), buf_string(&value));
        has_type = has_type || strcasecmp(json_key(h), "Content-Type") == 0;
    }
    if (r >= 0 && !has_type)
        r = request_add_header(request, "Content-Type", "application/json; charset=utf-8");
    return r;
}

static int write_url(const struct sender *sender, const struct message *message, struct buf *url) {
    const char *path = json_text_at(webhook_form(sender->account, message), "path");
    int r;

    if (!path)
        path = json_text_at(sender->account, "path");
    if (!path)
        return buf_append_string(url, sender->base_url);
    r = url_append_base(url, sender->base_url);
    return r < 0 ? r : buf_append_string(url, path);
}

/* 1, or 0 and the outcome. */
static int check_message(const struct sender *sender, const struct message *m, struct outcome *ret) {
    struct media media;

    if (text_is_blank(m->target) || !text_is_header_safe(m->target))
        return compose_reject("the target is empty or holds a control character", ret);
    if (!m->media)
        return compose_check_text(m, "a webhook", SIZE_MAX, ret);
    if (!placeholder_is_used(json_at(webhook_form(sender->account, m), "body"), "{{media.url}}"))
        return compose_reject("the sender's account says nothing of media; put {{media.url}} into its body, or give it a \"media\" "
                              "with a body of its own", ret);
    return media_read(m, &media, ret);
}

static int webhook_request(const struct sender *sender, const struct message *message, struct request *ret_request,
                           struct outcome *ret_outcome) {
    _cleanup_(buf_done) struct buf fault = BUF_MAX(CHECK_FAULT_BYTES);
    int r;

    if (webhook_check(sender, &fault) < 0)
        return compose_incomplete(&fault, ret_outcome);
    if (check_message(sender, message, ret_outcome) == 0)
        return 0;
    ret_request->method = webhook_method(sender->account);
    r = write_url(sender, message, &ret_request->url);
    if (r >= 0)
        r = write_headers(sender, message, ret_request);
    r = compose_head(r, ret_outcome);
    return r > 0 ? compose_body(write_body(sender, message, &ret_request->body), ret_outcome) : r;
}

/* --- the answer --- */

static bool status_is(const struct json_value *wanted, int status) {
    const char *text = json_text(wanted);
    int64_t number;

    if (json_type(wanted) == JSON_STRING && text[0] && strcmp(text + 1, "xx") == 0)
        return status / 100 == text[0] - '0';
    return json_int_at(wanted, "", &number) == 0 && number == status;
}

/* wanted: one status or a list of them. */
static bool status_is_in(const struct json_value *wanted, int status) {
    if (json_type(wanted) != JSON_ARRAY)
        return status_is(wanted, status);
    for (const struct json_value *v = json_first(wanted); v; v = json_next(v))
        if (status_is(v, status))
            return true;
    return false;
}

static bool is_success(const struct json_value *account, int status) {
    const struct json_value *wanted = json_at(account, "success.status");

    return wanted ? status_is_in(wanted, status) : status / 100 == 2;
}

/* What the account says in so many words stands; of the defaults, a known gateway's words come first. */
static const struct outcome_rule *answer_table(const struct json_value *account, const struct reply *reply, const char *words) {
    const struct json_value *rejected = json_at(account, "rejected.status");

    if (rejected && status_is_in(rejected, reply->status))
        return rejections;
    if (reply->status / 100 != 2 && outcome_match(words_first, reply, OUTCOME_CODE_NONE, words)->meaning)
        return words_first;
    return !rejected && (reply->status == 400 || reply->status == 422) ? rejections : answers;
}

static bool values_equal(const struct json_value *a, const struct json_value *b) {
    if (json_type(a) != json_type(b))
        return false;
    if (json_type(a) == JSON_STRING || json_type(a) == JSON_NUMBER)
        return strcmp(json_text(a), json_text(b)) == 0;
    if (json_type(a) == JSON_BOOL)
        return json_is_true_at(a, "") == json_is_true_at(b, "");
    return json_type(a) == JSON_NULL;
}

/* A status of success, and what success.equals asks for: where that is not there it is in doubt, and another value is the gateway's
 * own no. success.path only names the id: where there is none that can be kept, it was taken all the same. */
static void understand_success(const struct json_value *account, const struct understood *a, struct outcome *ret) {
    const struct json_value *equals = json_at(account, "success.equals"), *id;
    const char *path = json_text_at(account, "success.path"), *colon = *a->words ? ": " : "";
    int status = a->reply->status;

    if (understood_is_page(a)) {
        understood_page(a, ret);
        return;
    }
    if (!a->root && (equals || (path && a->is_unread))) {
        understood_doubt(a, NULL, ret);
        return;
    }
    for (const struct json_value *e = equals ? json_first(equals) : NULL; e; e = json_next(e)) {
        const struct json_value *value = json_at(a->root, json_key(e));

        if (value && values_equal(value, e))
            continue;
        outcome_set(ret, value ? OUTCOME_WAIT : OUTCOME_IN_DOUBT, SCOPE_MESSAGE, WAIT_BY_BACKOFF, status,
                    "HTTP %d, but \"%s\" is not %s%s%s", status, json_key(e),
                    value ? "what account.success says" : "in the answer", colon, a->words);
        return;
    }
    id = path ? json_at(a->root, path) : NULL;
    if (!outcome_accept(ret, status, id ? json_text(id) : NULL))
        (void) !outcome_accept(ret, status, NULL);
}

static void webhook_understand(const struct sender *sender, const struct message *message, const struct reply *reply,
                               struct outcome *ret_outcome) {
    _cleanup_(understood_done) struct understood answer;

    understood_init(&answer, reply, sender, message);
    if (is_success(sender->account, reply->status))
        understand_success(sender->account, &answer, ret_outcome);
    else
        outcome_classify(answer_table(sender->account, reply, answer.words), reply, OUTCOME_CODE_NONE, answer.words, ret_outcome);
}

const struct gateway gateway_webhook = {
    .name = "webhook",
    .check = webhook_check,
    .request = webhook_request,
    .understand = webhook_understand,
};
