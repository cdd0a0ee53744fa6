/* wppconnect-server: POST BASE/api/SESSION/send-message, one recipient a request.
 *
 * account: {"session": "alerts"}; the credential is the token that generate-token gives for that session.
 *
 * What was seen on a running server and decides the code here:
 *  - A Content-Type of exactly "application/json" selects other code in the server, which answers 201 with an empty list where
 *    it did nothing. So the charset is always named, and success counts only with a message in it.
 *  - A phone may be several, joined by ',' or ';'. The server sends to the good ones and answers 400 for the bad: never do that.
 *  - Its status-session has what the QR code says (urlcode), and goes on having it when the code was scanned long ago: it counts
 *    only with the status QRCODE.
 *  - Logging out what is not connected is answered with 404, though the server tries it all the same.
 *  - Its check-connection-session says Connected of a session that waits to be paired: status-session tells the truth.
 *  - Starting a session with a body replaces what its owner started it with (webhook, proxy) for good; an empty one restores that
 *    (fileTokenStory.ts).
 *  - A path may be a file of the server's own: it is only ever a URL.
 *  - A phone of more than 14 characters is taken for another kind of id, and one that is no string for a lost session. */
#include <string.h>

#include "gateway/compose.h"
#include "gateway/groups.h"
#include "gateway/session.h"
#include "gateway/target.h"

enum { WPPCONNECT_PHONE_MAX = 14, CREDENTIAL_WAIT_SEC = 60, CONFIGURATION_WAIT_SEC = 60, NOT_THERE_WAIT_SEC = 20 };

static const struct outcome_rule answers[] = {
    /* Also where it could not ask (wa-js, queryWidExists.ts): it is asked again before it is believed. */
    {.status = 400, .holds = "não existe", WAIT(MESSAGE, NOT_THERE_WAIT_SEC), .meaning = "the number is not on WhatsApp"},
    {.status = 401, WAIT(SENDER, CREDENTIAL_WAIT_SEC),
     .meaning = "the token was refused; make one with generate-token for this session, and renew the credential"},
    {.status = 404, .holds = "<html", WAIT(SENDER, CONFIGURATION_WAIT_SEC),
     .meaning = "there is no such page; check base_url and account.session"},
    {.status = 404, .holds = "Disconnected", WAIT(SENDER, WAIT_BY_BACKOFF),
     .meaning = "the session is not connected; start or pair it"},
    {.status = 500, .holds = "empty_file", WAIT(MESSAGE, WAIT_BY_BACKOFF),
     .meaning = "the server could not fetch the media; see that it reaches the URL"},
    {.meaning = NULL},
};

static int check_target(const struct message *m, struct outcome *ret) {
    if (strpbrk(m->target, ",;"))
        return compose_reject("the target is a list; a message has one recipient", ret);
    if (!m->is_group && target_is_e164(m->target) && strlen(m->target + 1) > WPPCONNECT_PHONE_MAX)
        return compose_reject("the number has 15 digits, and wppconnect takes such a one for another kind of id", ret);
    return 1;
}

static void write_message(struct json_writer *w, _unused_ const char *session, const struct message *m, const struct media *media) {
    json_write_member(w, "phone", m->is_group ? m->target : m->target + 1);
    json_write_key(w, "isGroup");
    json_write_bool(w, m->is_group);
    json_write_key(w, "isNewsletter");
    json_write_bool(w, false);
    json_write_key(w, "isLid");
    json_write_bool(w, false);
    if (!media) {
        json_write_member(w, "message", m->body);
        return;
    }
    json_write_member(w, "path", media->url);
    session_write_optional(w, "filename", media->filename);
    session_write_optional(w, "caption", m->body);
    json_write_key(w, "options");
    json_write_object(w);
    json_write_member(w, "type", media_type_to_string(media->type));
    json_write_object_end(w);
}

static const char *read_taken(const struct understood *a, _unused_ const struct message *message,
                              const struct json_value **ret_id) {
    const char *status = understood_string(a, "status");

    if (!status || strcmp(status, "success") != 0)
        return "it has no status \"success\"";
    *ret_id = json_at(a->root, "response.0.id");
    return json_at(a->root, "response.0") ? NULL : "it has no message";
}

/* wa-js gives back a message that WhatsApp Web could not send: serialize-message.js, sendMsgResult. */
static bool is_not_taken(const struct understood *a) {
    int64_t ack;

    return json_is_true_at(a->root, "response.0.isSendFailure") ||
           (json_int_at(a->root, "response.0.ack", &ack) >= 0 && ack < 0);
}

/* null is a session that was never started, CLOSED one that ended. */
static void hear_status(enum purpose purpose, const struct understood *a, struct health *ret) {
    const char *status = understood_string(a, "status");

    if (!status || strcmp(status, "CLOSED") == 0)
        session_go_on(SESSION_START, ret);
    else if (strcmp(status, "CONNECTED") == 0)
        session_well(ret);
    else if (strcmp(status, "INITIALIZING") == 0)
        session_is_starting(ret);
    else if (strcmp(status, "QRCODE") == 0 && purpose == PURPOSE_PAIR)
        session_take_code(a, "urlcode", "qrcode", ret);
    else if (strcmp(status, "PHONECODE") == 0 && purpose == PURPOSE_PAIR)
        session_ill("the session waits for a code to be typed into the telephone; unpair it, to have a QR code", ret);
    else if (strcmp(status, "QRCODE") == 0 || strcmp(status, "PHONECODE") == 0)
        session_wants_pairing(ret);
    else
        session_ill("the session is neither connected nor closed", ret);
}

static bool hear_logout(const struct understood *a, struct health *ret) {
    const char *status = understood_string(a, "status");
    bool was_away = a->reply->status == 404 && status && strcmp(status, "Disconnected") == 0;

    if (!was_away && !(a->reply->status == 200 && json_is_true_at(a->root, "status")))
        return false;
    session_well(ret);
    return true;
}

static bool hear(enum purpose purpose, enum session_step step, const struct understood *a, struct health *ret) {
    const struct json_value *status = json_at(a->root, "status");

    if (step == SESSION_LOGOUT)
        return hear_logout(a, ret);
    if (a->reply->status != 200)
        return false;
    if (step == SESSION_START && purpose == PURPOSE_PAIR)
        session_is_starting(ret);
    else if (step == SESSION_START)
        session_was_started(ret);
    else if (status && (json_type(status) == JSON_STRING || json_type(status) == JSON_NULL))
        hear_status(purpose, a, ret);
    else
        return false;
    return true;
}

static const struct session_dialect dialect = {
    .name = "wppconnect",
    .account_key = "session",
    .credential_header = "Authorization",
    .credential_prefix = "Bearer ",
    .credential_noun = "token",
    .account_remedy = "It is the name of the session on the wppconnect server; set account to, for example, {\"session\": "
                      "\"alerts\"}.",
    .base_url_remedy = "Set it to where the wppconnect server listens, for example http://127.0.0.1:21465.",
    .credential_remedy = "Make one with POST /api/SESSION/SECRET_KEY/generate-token, store its \"token\" as a secret, and set the "
                         "sender's credential to the secret's name, for example 'wppconnect_token'.",
    .send = {"POST", "/api/*/send-message", NULL},
    .send_media = {[MEDIA_IMAGE] = {"POST", "/api/*/send-image", NULL},
                   [MEDIA_VIDEO ... MEDIA_DOCUMENT] = {"POST", "/api/*/send-file", NULL}},
    .steps = {[SESSION_STATUS] = {"GET", "/api/*/status-session", NULL},
              [SESSION_START] = {"POST", "/api/*/start-session", "{}"},
              [SESSION_LOGOUT] = {"POST", "/api/*/logout-session", "{}"}},
    .list_groups = {"POST", "/api/*/list-chats", "{\"onlyGroups\":true}"},
    .check_target = check_target,
    .write_message = write_message,
    .read_taken = read_taken,
    .is_not_taken = is_not_taken,
    .answers = answers,
    .hear = hear,
};

static const struct groups_shape groups = {
    .items = "",
    .ids = {"id._serialized", "id"},
    .names = {"name", "groupMetadata.subject", "contact.formattedName", "formattedTitle"},
    .left = "isReadOnly",
    .is_group = target_is_phone_group,
};

DEFINE_SESSION_GATEWAY(wppconnect, dialect, groups)
