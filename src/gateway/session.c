#include "gateway/session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "gateway/compose.h"
#include "gateway/scrub.h"
#include "gateway/stanza.h"
#include "gateway/target.h"
#include "io/url.h"

enum {
    SESSION_NAME_BYTES_MAX = 128,
    SESSION_TEXT_LENGTH_MAX = 65536,
    CHECK_FAULT_BYTES = 2048,
    CONFIGURATION_WAIT_SEC = 60,
    NEW_CONTACTS_WAIT_SEC = 6 * 60 * 60,
    STARTING_WAIT_SEC = 5,
    PAIRING_WAIT_SEC = 30,
};

/* Before a dialect's own rows. */
static const struct outcome_rule first[] = {
    /* WhatsApp's own refusals, which come through in the text: new contacts are barred for now, the known ones are not. */
    {.holds = "returned error 463", WAIT(RECIPIENT, NEW_CONTACTS_WAIT_SEC),
     .meaning = "WhatsApp bars this account from new contacts for now"},
    {.holds = "returned error 475", WAIT(RECIPIENT, NEW_CONTACTS_WAIT_SEC),
     .meaning = "WhatsApp caps this account's messages to new contacts for now"},
    {.status = 500, .holds = "No LID for user", .kind = OUTCOME_REJECTED, .meaning = "the number is not on WhatsApp"},
    {.status = 500, .holds = "no LID found for", .kind = OUTCOME_REJECTED, .meaning = "the number is not on WhatsApp"},
    /* The browser's page went away under the call: it may have sent the message before that. */
    {.status = 5, .holds = "Protocol error", .kind = OUTCOME_IN_DOUBT, .meaning = "the gateway's browser broke off"},
    {.status = 5, .holds = "context was destroyed", .kind = OUTCOME_IN_DOUBT, .meaning = "the gateway's browser broke off"},
    {.status = 400, .holds = "<html", WAIT(SENDER, CONFIGURATION_WAIT_SEC),
     .meaning = "a web page, not the gateway's answer; check base_url"},
    {.meaning = NULL},
};

/* After them. */
static const struct outcome_rule last[] = {
    {.status = 400, WAIT(MESSAGE, WAIT_BY_BACKOFF), .meaning = "the gateway did not like the request"},
    {.status = 401, WAIT(SENDER, CONFIGURATION_WAIT_SEC), .meaning = "the credential was refused; renew it"},
    {.status = 403, WAIT(SENDER, CONFIGURATION_WAIT_SEC), .meaning = "not permitted; check base_url and the credential"},
    {.status = 404, WAIT(SENDER, CONFIGURATION_WAIT_SEC), .meaning = "not found; check base_url and account"},
    {.status = 408, WAIT(MESSAGE, WAIT_BY_BACKOFF), .meaning = "the server did not get the whole request in time"},
    {.status = 413, .kind = OUTCOME_REJECTED, .meaning = "the message is too large"},
    {.status = 429, WAIT(SENDER, WAIT_BY_BACKOFF), .meaning = "too many requests"},
    /* These servers never say 502, 503 or 504: a proxy before them does. It passed the request on (502, 504, a page of 503), or
     * found nobody. */
    {.status = 502, .kind = OUTCOME_IN_DOUBT, .meaning = "a proxy passed the request on and could not read the answer"},
    {.status = 504, .kind = OUTCOME_IN_DOUBT, .meaning = "a proxy passed the request on and got no answer in time"},
    {.status = 503, .holds = "<html", .kind = OUTCOME_IN_DOUBT, .meaning = "a proxy's page; it may have passed the request on"},
    {.status = 503, WAIT(SENDER, WAIT_BY_BACKOFF), .meaning = "the server is not ready"},
    /* All of them send first, and then read the message back or write it down: what fails there has left. A row above says so
     * where it is known that nothing did. */
    {.status = 5, .kind = OUTCOME_IN_DOUBT,
     .meaning = "the gateway failed, and does not say whether before or after it had sent it"},
    {.status = 4, WAIT(SENDER, CONFIGURATION_WAIT_SEC), .meaning = "the request was refused; check base_url"},
    {.status = 3, WAIT(SENDER, CONFIGURATION_WAIT_SEC), .meaning = "redirected, which is not followed; correct base_url"},
    {.kind = OUTCOME_IN_DOUBT, .meaning = "an answer that can't be understood"},
};

/* --- the row --- */

static const char *session_of(const struct session_dialect *d, const struct sender *sender) {
    return json_text_at(sender->account, d->account_key);
}

static int check_account(const struct session_dialect *d, const struct sender *sender, struct buf *reterr) {
    const char *session = session_of(d, sender);

    if (text_is_blank(session))
        (void) buf_printf(reterr, "account: \"%s\" is missing. %s", d->account_key, d->account_remedy);
    else if (strlen(session) > SESSION_NAME_BYTES_MAX || !text_is_header_safe(session) ||
             (d->is_session && !d->is_session(session)))
        (void) buf_printf(reterr, "account: \"%s\" is not a session's name. %s", d->account_key, d->account_remedy);
    else
        return 0;
    return -EINVAL;
}

int session_check(const struct session_dialect *d, const struct sender *sender, struct buf *reterr) {
    int r = check_account(d, sender, reterr);

    if (r >= 0)
        r = compose_check_base_url(sender, d->base_url_remedy, reterr);
    if (r >= 0 && (sender->secret || !d->is_open))
        r = compose_check_credential(sender, d->credential_noun, d->credential_remedy, reterr);
    return r;
}

/* --- the request --- */

/* ret_media is read where the message has media. */
static int check_message(const struct session_dialect *d, const struct message *m, struct media *ret_media, struct outcome *ret) {
    if (d->check_target && d->check_target(m, ret) == 0)
        return 0;
    if (m->is_group && !target_is_phone_group(m->target))
        return compose_reject("the target is not a group id: 120363…@g.us, or a number, - and 10 digits before @g.us", ret);
    if (!m->is_group && !target_is_e164(m->target))
        return compose_reject("the target is not an E.164 number: + and 7 to 15 digits", ret);
    if (!m->media)
        return compose_check_text(m, d->name, SESSION_TEXT_LENGTH_MAX, ret);
    if (media_read_whatsapp(m, d->name, ret_media, ret) == 0)
        return 0;
    return d->check_media ? d->check_media(ret_media, ret) : 1;
}

/* A GET has no Content-Type: with one wppconnect may never answer. */
static int write_head(const struct session_dialect *d, const struct sender *sender, const struct session_call *call,
                      struct request *request) {
    size_t before = strcspn(call->path, "*");
    int r;

    request->method = call->method;
    (void) url_append_base(&request->url, sender->base_url);
    (void) buf_append(&request->url, call->path, before);
    if (call->path[before] == '*') {
        (void) url_append_escaped(&request->url, session_of(d, sender));
        (void) buf_append_string(&request->url, call->path + before + 1);
    }
    r = buf_error(&request->url);
    if (r >= 0 && sender->secret)
        r = compose_add_credential(request, d->credential_header, d->credential_prefix, sender);
    if (r >= 0 && strcmp(call->method, "POST") == 0)
        r = request_add_header(request, "Content-Type", "application/json; charset=utf-8");
    return r;
}

void session_write_chat(struct json_writer *w, const char *key, const struct message *m) {
    char chat[64];

    (void) snprintf(chat, sizeof(chat), "%s@c.us", m->is_group ? "" : m->target + 1);
    json_write_member(w, key, m->is_group ? m->target : chat);
}

void session_write_optional(struct json_writer *w, const char *key, const char *text) {
    if (*text)
        json_write_member(w, key, text);
}

/* The body of a message, or without one that of SESSION_CREATE. */
static int write_body(const struct session_dialect *d, const char *session, const struct message *m, const struct media *media,
                      struct buf *out) {
    _cleanup_(json_writer_freep) struct json_writer *w = json_writer_new(out);

    if (!w)
        return -ENOMEM;
    json_write_object(w);
    if (m)
        d->write_message(w, session, m, media);
    else
        d->write_creation(w, session);
    json_write_object_end(w);
    return json_writer_finish(w);
}

int session_request(const struct session_dialect *d, const struct sender *sender, const struct message *message,
                    struct request *ret_request, struct outcome *ret_outcome) {
    _cleanup_(buf_done) struct buf fault = BUF_MAX(CHECK_FAULT_BYTES);
    const struct session_call *call;
    struct media media;
    int r;

    if (session_check(d, sender, &fault) < 0)
        return compose_incomplete(&fault, ret_outcome);
    if (check_message(d, message, &media, ret_outcome) == 0)
        return 0;
    call = message->media ? &d->send_media[media.type] : &d->send;
    r = compose_head(write_head(d, sender, call, ret_request), ret_outcome);
    if (r <= 0)
        return r;
    r = write_body(d, session_of(d, sender), message, message->media ? &media : NULL, &ret_request->body);
    return compose_body(r, ret_outcome);
}

/* --- the answer --- */

static const struct outcome_rule *find_row(const struct session_dialect *d, const struct understood *a, const struct reply *reply) {
    const struct outcome_rule *tables[] = {first, d->answers}, *row = d->judge ? d->judge(a) : NULL;

    if (row)
        return row;
    for (size_t i = 0; i < ELEMENTSOF(tables); i++) {
        row = outcome_match(tables[i], reply, OUTCOME_CODE_NONE, a->words);
        if (row->meaning)
            return row;
    }
    return outcome_match(last, reply, OUTCOME_CODE_NONE, a->words);
}

static void classify(const struct session_dialect *d, const struct understood *a, struct outcome *ret) {
    struct reply reply = *a->reply;

    if (d->is_echoing && a->root) {
        const char *sentence = reply_sentence(a->root);

        reply.body = sentence ? sentence : "";
        reply.body_size = strlen(reply.body);
    }
    outcome_classify(find_row(d, a, &reply), &reply, OUTCOME_CODE_NONE, a->words, ret);
}

/* 2xx: taken, with an id or without one that can be kept; or nobody knows. */
static void understand_success(const struct session_dialect *d, const struct understood *a, const struct message *message,
                               struct outcome *ret) {
    const struct json_value *id = NULL;
    char stanza[STANZA_BYTES];
    const char *why;

    if (understood_is_page(a)) {
        understood_page(a, ret);
        return;
    }
    if (d->is_not_taken && d->is_not_taken(a)) {
        outcome_set(ret, OUTCOME_WAIT, SCOPE_MESSAGE, WAIT_BY_BACKOFF, a->reply->status,
                    "the gateway says that WhatsApp did not take it (HTTP %d)", a->reply->status);
        return;
    }
    why = a->is_unread ? a->fault : d->read_taken(a, message, &id);
    if (why)
        understood_doubt(a, why, ret);
    else if (!stanza_read(id, stanza) || !outcome_accept(ret, a->reply->status, stanza))
        (void) !outcome_accept(ret, a->reply->status, NULL);
}

void session_understand(const struct session_dialect *d, const struct sender *sender, const struct message *message,
                        const struct reply *reply, struct outcome *ret) {
    _cleanup_(understood_done) struct understood answer;

    understood_init(&answer, reply, sender, message);
    if (reply->status / 100 == 2)
        understand_success(d, &answer, message, ret);
    else
        classify(d, &answer, ret);
}

/* --- how it is --- */

static int write_call(const struct session_dialect *d, const struct sender *sender, const struct session_call *call,
                      struct request *ret) {
    _cleanup_(buf_done) struct buf fault = BUF_MAX(CHECK_FAULT_BYTES);
    int r = session_check(d, sender, &fault);

    if (r >= 0)
        r = write_head(d, sender, call, ret);
    return r < 0 || !call->body ? r : buf_append_string(&ret->body, call->body);
}

static enum session_step step_of(enum purpose purpose, unsigned step) {
    return purpose == PURPOSE_UNPAIR && step == 0 ? SESSION_LOGOUT : step;
}

int session_ask(const struct session_dialect *d, const struct sender *sender, enum purpose purpose, unsigned step_number,
                struct request *ret) {
    enum session_step step = step_of(purpose, step_number);
    int r = step < SESSION_STEPS && d->steps[step].method ? write_call(d, sender, &d->steps[step], ret) : -EINVAL;

    return r >= 0 && step == SESSION_CREATE ? write_body(d, session_of(d, sender), NULL, NULL, &ret->body) : r;
}

int session_ask_groups(const struct session_dialect *d, const struct sender *sender, struct request *ret) {
    return write_call(d, sender, &d->list_groups, ret);
}

/* The tables speak of a message. Nothing was sent here: what is not about the sender is told as the server said it. */
static void tell_plainly(const struct understood *a, struct outcome *ret) {
    outcome_set(ret, OUTCOME_WAIT, SCOPE_MESSAGE, WAIT_BY_BACKOFF, a->reply->status, "%s (HTTP %d)%s%s",
                a->reply->status / 100 == 2 ? "an answer that can't be understood" : "the gateway could not do it",
                a->reply->status, *a->words ? ": " : "", a->words);
}

void session_hear(const struct session_dialect *d, const struct sender *sender, enum purpose purpose, unsigned step,
                  const struct reply *reply, struct health *ret) {
    _cleanup_(understood_done) struct understood answer;
    struct outcome outcome;

    understood_init(&answer, reply, sender, NULL);
    if (purpose == PURPOSE_PAIR && reply->status / 100 == 2)
        answer.words[0] = '\0'; /* the code may be among them */
    if (d->hear(purpose, step_of(purpose, step), &answer, ret))
        return;
    classify(d, &answer, &outcome);
    if (outcome.kind != OUTCOME_WAIT || outcome.scope != SCOPE_SENDER)
        tell_plainly(&answer, &outcome);
    health_from_outcome(&outcome, ret);
}

void session_go_on(enum session_step next, struct health *ret) {
    *ret = (struct health) {.kind = HEALTH_GO_ON, .next_step = next};
}

void session_well(struct health *ret) {
    *ret = (struct health) {.kind = HEALTH_WELL};
}

static void ill(int64_t wait_sec, const char *reason, struct health *ret) {
    *ret = (struct health) {.kind = HEALTH_ILL, .wait_sec = wait_sec};
    (void) snprintf(ret->reason, sizeof(ret->reason), "%s", reason);
}

void session_ill(const char *reason, struct health *ret) {
    ill(WAIT_BY_BACKOFF, reason, ret);
}

void session_is_starting(struct health *ret) {
    ill(STARTING_WAIT_SEC, "the session is being started", ret);
}

void session_was_started(struct health *ret) {
    ill(STARTING_WAIT_SEC, "the session was closed, and has been started again", ret);
}

void session_wants_pairing(struct health *ret) {
    ill(PAIRING_WAIT_SEC, "the session waits to be paired with a telephone: scan its QR code", ret);
}

static bool is_printable_ascii(const char *text) {
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            return false;
    return true;
}

void session_take_code(const struct understood *a, const char *path, const char *image_path, struct health *ret) {
    const struct json_value *value = json_at(a->root, path);
    const char *code = understood_string(a, path), *image = image_path ? understood_string(a, image_path) : NULL;

    if (value && json_type(value) != JSON_NULL && !code)
        session_ill("the gateway's QR code is not a text", ret);
    else if ((!code || !*code) && !image)
        session_ill("the session has no QR code yet", ret);
    else if (!code || !*code || strncmp(code, "data:", strlen("data:")) == 0)
        session_ill("the gateway gives its QR code as an image only; pair the session on the gateway's own page", ret);
    else if (strlen(code) >= HEALTH_CODE_BYTES)
        session_ill("the gateway's QR code is longer than any of WhatsApp's", ret);
    else if (!is_printable_ascii(code))
        session_ill("the gateway's QR code has characters that none of WhatsApp's has", ret);
    else {
        *ret = (struct health) {.kind = HEALTH_CODE, .wait_sec = WAIT_BY_BACKOFF, .reason = "its QR code waits to be scanned"};
        (void) snprintf(ret->code, sizeof(ret->code), "%s", code);
    }
}
