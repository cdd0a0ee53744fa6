/* wppconnect-server: POST BASE/api/SESSION/send-message, one recipient a request.
 *
 * account: {"session": "alerts"}; the credential is the token that generate-token gives for that session.
 *
 * What was seen on a running server and decides the code here:
 *  - A Content-Type of exactly "application/json" selects other code in the server, which answers 201 with an empty list where
 *    it did nothing. So the charset is always named, and 201 counts only with the id of a message in it.
 *  - A phone may be several, joined by ',' or ';'. The server sends to the good ones and answers 400 for the bad: never do that.
 *  - Its check-connection-session says Connected of a session that waits to be paired: status-session tells the truth.
 *  - A phone of more than 14 characters is taken for another kind of id, and one that is no string for a lost session. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "gateway/gateway.h"
#include "gateway/scrub.h"
#include "gateway/target.h"
#include "io/url.h"

enum {
    WPPCONNECT_PHONE_MAX = 14,
    WPPCONNECT_BODY_LENGTH_MAX = 65536,
    WPPCONNECT_SESSION_BYTES_MAX = 128,
    CREDENTIAL_WAIT_SEC = 60,
    CONFIGURATION_WAIT_SEC = 60,
    CHECK_FAULT_BYTES = 2048,
    NEW_CONTACTS_WAIT_SEC = 6 * 60 * 60,
    STARTING_WAIT_SEC = 5,
    PAIRING_WAIT_SEC = 30,
};

#define WAIT(s, seconds) .kind = OUTCOME_WAIT, .scope = SCOPE_##s, .wait_sec = (seconds)

static const struct outcome_rule answers[] = {
    {.status = 400, .holds = "não existe", .kind = OUTCOME_REJECTED, .meaning = "the number is not on WhatsApp"},
    {.status = 400, .holds = "<html", WAIT(SENDER, CONFIGURATION_WAIT_SEC),
     .meaning = "a web page, not wppconnect's answer; check base_url"},
    {.status = 400, WAIT(MESSAGE, WAIT_BY_BACKOFF), .meaning = "wppconnect did not like the request"},
    {.status = 401, WAIT(SENDER, CREDENTIAL_WAIT_SEC),
     .meaning = "the token was refused; make one with generate-token for this session, and renew the credential"},
    {.status = 403, WAIT(SENDER, CREDENTIAL_WAIT_SEC), .meaning = "not permitted; check base_url and the credential"},
    {.status = 404, .holds = "<html", WAIT(SENDER, CONFIGURATION_WAIT_SEC),
     .meaning = "there is no such page; check base_url and account.session"},
    {.status = 404, .holds = "Disconnected", WAIT(SENDER, WAIT_BY_BACKOFF),
     .meaning = "the session is not connected; start or pair it"},
    {.status = 404, WAIT(SENDER, CONFIGURATION_WAIT_SEC), .meaning = "not found; check base_url and account.session"},
    {.status = 408, WAIT(MESSAGE, WAIT_BY_BACKOFF), .meaning = "the server did not get the whole request in time"},
    {.status = 413, .kind = OUTCOME_REJECTED, .meaning = "the message is too large"},
    {.status = 429, WAIT(SENDER, WAIT_BY_BACKOFF), .meaning = "too many requests"},
    /* WhatsApp's own refusals, which come through in the text: new contacts are barred for now, the known ones are not. */
    {.status = 5, .holds = "returned error 463", WAIT(RECIPIENT, NEW_CONTACTS_WAIT_SEC),
     .meaning = "WhatsApp bars this account from new contacts for now"},
    {.status = 5, .holds = "returned error 475", WAIT(RECIPIENT, NEW_CONTACTS_WAIT_SEC),
     .meaning = "WhatsApp caps this account's messages to new contacts for now"},
    /* wppconnect never says these: a proxy before it does. It passed the request on (502, 504), or found nobody (503). */
    {.status = 502, .kind = OUTCOME_IN_DOUBT, .meaning = "a proxy passed the request on and could not read the answer"},
    {.status = 504, .kind = OUTCOME_IN_DOUBT, .meaning = "a proxy passed the request on and got no answer in time"},
    {.status = 503, WAIT(SENDER, WAIT_BY_BACKOFF), .meaning = "the server is not ready"},
    {.status = 5, WAIT(MESSAGE, WAIT_BY_BACKOFF), .meaning = "wppconnect could not send it"},
    {.status = 4, WAIT(SENDER, CONFIGURATION_WAIT_SEC), .meaning = "the request was refused; check base_url"},
    {.status = 3, WAIT(SENDER, CONFIGURATION_WAIT_SEC), .meaning = "redirected, which is not followed; correct base_url"},
    {.kind = OUTCOME_IN_DOUBT, .meaning = "an answer that can't be understood"},
};

static int wppconnect_check(const struct sender *sender, struct buf *reterr) {
    const char *session = json_text_at(sender->account, "session"), *fault = NULL;

    if (text_is_blank(session) || strlen(session) > WPPCONNECT_SESSION_BYTES_MAX || !text_is_header_safe(session)) {
        (void) buf_printf(reterr, "account: \"session\" is %s. It is the name of the session on the wppconnect server; set "
                          "account to, for example, {\"session\": \"alerts\"}.",
                          text_is_blank(session) ? "missing" : "not a session's name");
        return -EINVAL;
    }
    if (url_check(sender->base_url, &fault) < 0 || strchr(sender->base_url, '?')) {
        (void) buf_printf(reterr, "base_url: the URL %s. Set it to where the wppconnect server listens, for example "
                          "http://127.0.0.1:21465.", fault ? fault : "has a query (?), but a path must follow it");
        return -EINVAL;
    }
    if (!sender->secret || !*sender->secret || !text_is_header_safe(sender->secret)) {
        (void) buf_printf(reterr, "credential: %s. Make one with POST /api/SESSION/SECRET_KEY/generate-token, store its \"token\" "
                          "as a secret, and set the sender's credential to the secret's name, for example 'wppconnect_token'.",
                          sender->secret && *sender->secret ? "the token holds a control character" : "no token");
        return -EINVAL;
    }
    return 0;
}

static int reject(struct outcome *o, const char *reason) {
    outcome_set(o, OUTCOME_REJECTED, SCOPE_MESSAGE, 0, 0, "%s", reason);
    return 0;
}

/* 1, or 0 and the outcome. */
static int check_message(const struct message *m, struct outcome *ret) {
    size_t length;

    if (strpbrk(m->target, ",;"))
        return reject(ret, "the target is a list; a message has one recipient");
    if (m->is_group && !target_is_phone_group(m->target))
        return reject(ret, "the target is not a group id: 120363…@g.us, or a number, - and 10 digits before @g.us");
    if (!m->is_group && !target_is_e164(m->target))
        return reject(ret, "the target is not an E.164 number: + and 7 to 15 digits");
    if (!m->is_group && strlen(m->target + 1) > WPPCONNECT_PHONE_MAX)
        return reject(ret, "the number has 15 digits, and wppconnect takes such a one for another kind of id");
    if (text_is_blank(m->body))
        return reject(ret, m->template ? "wppconnect knows no templates of its own; give the template a body"
                                       : "the message is empty");
    length = text_length(m->body);
    if (length > WPPCONNECT_BODY_LENGTH_MAX) {
        outcome_set(ret, OUTCOME_REJECTED, SCOPE_MESSAGE, 0, 0, "the message has %zu characters, and WhatsApp takes %d", length,
                    WPPCONNECT_BODY_LENGTH_MAX);
        return 0;
    }
    return 1;
}

static int write_body(const struct message *m, struct buf *out, struct outcome *ret) {
    _cleanup_(json_writer_freep) struct json_writer *w = json_writer_new(out);
    int r;

    if (!w)
        return -ENOMEM;
    json_write_object(w);
    json_write_member(w, "phone", m->is_group ? m->target : m->target + 1);
    json_write_key(w, "isGroup");
    json_write_bool(w, m->is_group);
    json_write_key(w, "isNewsletter");
    json_write_bool(w, false);
    json_write_key(w, "isLid");
    json_write_bool(w, false);
    json_write_member(w, "message", m->body);
    json_write_object_end(w);
    r = json_writer_finish(w);
    if (r == -EMSGSIZE)
        return reject(ret, "the message is too large");
    return r < 0 ? r : 1;
}

/* Of a call of the session's. A GET has no Content-Type: with one the server may never answer. */
static int write_head(const struct sender *sender, const char *call, struct request *request) {
    _cleanup_(buf_wipe) struct buf bearer = BUF_MAX(REQUEST_HEADER_BYTES_MAX);
    int r;

    (void) url_append_base(&request->url, sender->base_url);
    (void) buf_append_string(&request->url, "/api/");
    (void) url_append_escaped(&request->url, json_text_at(sender->account, "session"));
    (void) buf_append_string(&request->url, call);
    (void) buf_printf(&bearer, "Bearer %s", sender->secret);
    r = buf_error(&request->url) < 0 ? buf_error(&request->url) : buf_error(&bearer);
    if (r >= 0)
        r = request_add_header(request, "Authorization", buf_string(&bearer));
    if (r >= 0 && strcmp(request->method, "POST") == 0)
        r = request_add_header(request, "Content-Type", "application/json; charset=utf-8");
    return r;
}

static int wppconnect_request(const struct sender *sender, const struct message *message, struct request *ret_request,
                              struct outcome *ret_outcome) {
    _cleanup_(buf_done) struct buf fault = BUF_MAX(CHECK_FAULT_BYTES);
    int r;

    if (wppconnect_check(sender, &fault) < 0) {
        outcome_set(ret_outcome, OUTCOME_WAIT, SCOPE_SENDER, CONFIGURATION_WAIT_SEC, 0, "%s", buf_string(&fault));
        return 0;
    }
    r = check_message(message, ret_outcome);
    if (r <= 0)
        return r;
    r = write_head(sender, "/send-message", ret_request);
    if (r == -EINVAL || r == -EMSGSIZE) {
        outcome_set(ret_outcome, OUTCOME_WAIT, SCOPE_SENDER, CONFIGURATION_WAIT_SEC, 0,
                    "base_url or the credential is too long, or not fit for a request");
        return 0;
    }
    return r < 0 ? r : write_body(message, &ret_request->body, ret_outcome);
}

static const struct json_value *message_id(const struct json_value *root) {
    const struct json_value *id = json_at(root, "response.0.id");

    return id && json_type(id) == JSON_OBJECT ? json_at(id, "_serialized") : id;
}

/* 2xx: taken, or nobody knows. */
static void understand_success(const struct reply *reply, const struct json_value *root, const char *fault, const char *words,
                               struct outcome *ret) {
    const char *status = json_text_at(root, "status"), *why;
    const struct json_value *id = message_id(root);
    bool is_success = reply->status == 201 && status && strcmp(status, "success") == 0;

    if (is_success && id && json_type(id) == JSON_STRING && outcome_accept(ret, reply->status, json_text(id)))
        return;
    if (!root)
        why = reply->body_size == 0 ? "it is empty" : fault;
    else if (!is_success)
        why = "it is not 201 with status \"success\"";
    else
        why = id ? "its response[0].id can't be kept" : "it has no response[0].id";
    outcome_set(ret, OUTCOME_IN_DOUBT, SCOPE_MESSAGE, 0, reply->status,
                "HTTP %d, but the answer can't be understood: %s%s%s", reply->status, why, *words ? ": " : "", words);
}

static void wppconnect_understand(const struct sender *sender, const struct message *message, const struct reply *reply,
                                  struct outcome *ret_outcome) {
    _cleanup_(json_freep) struct json *doc = NULL;
    const struct json_value *root = NULL;
    const char *fault = "it is not JSON";
    char words[OUTCOME_REASON_BYTES];

    if (json_parse(reply->body ? reply->body : "", reply->body ? reply->body_size : 0, &doc, &fault) >= 0)
        root = json_root(doc);
    scrub_reply(reply, root, sender, message, words, sizeof(words));
    if (reply->status / 100 == 2)
        understand_success(reply, root, fault, words, ret_outcome);
    else
        outcome_classify(answers, reply, OUTCOME_CODE_NONE, words, ret_outcome);
}

/* --- how it is --- */

enum { STEP_STATUS, STEP_START };

static int wppconnect_ask(const struct sender *sender, unsigned step, struct request *ret_request) {
    _cleanup_(buf_done) struct buf fault = BUF_MAX(CHECK_FAULT_BYTES);
    int r = wppconnect_check(sender, &fault);

    if (r < 0)
        return r;
    if (step == STEP_STATUS) {
        ret_request->method = "GET";
        return write_head(sender, "/status-session", ret_request);
    }
    r = write_head(sender, "/start-session", ret_request);
    return r < 0 ? r : buf_append_string(&ret_request->body, "{\"waitQrCode\":false}");
}

static void ill(struct health *ret, int64_t wait_sec, const char *reason) {
    *ret = (struct health) {.kind = HEALTH_ILL, .wait_sec = wait_sec};
    (void) snprintf(ret->reason, sizeof(ret->reason), "%s", reason);
}

/* null is a session that was never started, CLOSED one that ended. */
static void hear_status(const char *status, struct health *ret) {
    if (!status || strcmp(status, "CLOSED") == 0)
        *ret = (struct health) {.kind = HEALTH_GO_ON};
    else if (strcmp(status, "CONNECTED") == 0)
        *ret = (struct health) {.kind = HEALTH_WELL};
    else if (strcmp(status, "INITIALIZING") == 0)
        ill(ret, STARTING_WAIT_SEC, "the session is being started");
    else if (strcmp(status, "QRCODE") == 0 || strcmp(status, "PHONECODE") == 0)
        ill(ret, PAIRING_WAIT_SEC, "the session waits to be paired with a telephone: scan its QR code");
    else
        ill(ret, WAIT_BY_BACKOFF, "the session is neither connected nor closed");
}

static void wppconnect_hear(const struct sender *sender, unsigned step, const struct reply *reply, struct health *ret_health) {
    _cleanup_(json_freep) struct json *doc = NULL;
    const struct json_value *root = NULL, *status;
    const char *fault;
    struct outcome outcome;
    char words[OUTCOME_REASON_BYTES];

    if (json_parse(reply->body ? reply->body : "", reply->body ? reply->body_size : 0, &doc, &fault) >= 0)
        root = json_root(doc);
    status = json_at(root, "status");
    if (reply->status == 200 && step == STEP_START) {
        ill(ret_health, STARTING_WAIT_SEC, "the session was closed, and has been started again");
    } else if (reply->status == 200 && status && (json_type(status) == JSON_STRING || json_type(status) == JSON_NULL)) {
        hear_status(json_text(status), ret_health);
    } else {
        scrub_reply(reply, root, sender, NULL, words, sizeof(words));
        outcome_classify(answers, reply, OUTCOME_CODE_NONE, words, &outcome);
        health_from_outcome(&outcome, ret_health);
    }
}

const struct gateway gateway_wppconnect = {
    .name = "wppconnect",
    .check = wppconnect_check,
    .request = wppconnect_request,
    .understand = wppconnect_understand,
    .ask = wppconnect_ask,
    .hear = wppconnect_hear,
};
