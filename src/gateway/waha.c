/* WAHA: POST BASE/api/sendText.
 *
 * account: {"session": "default"}; the credential is the server's WAHA_API_KEY.
 *
 * What decides the code here:
 *  - A chatId is DIGITS@c.us or a group's id; a + in it would become part of another one.
 *  - What it calls a message comes in the form of the engine behind: "id" is a text, or an object, or there is a "key", or nothing.
 *  - 422 is a session that did not begin to work within five seconds, or a refusal of what was asked.
 *  - 500 repeats the whole request, so nothing but the exception's own words is looked at.
 *  - The session works on while WhatsApp bars it from new contacts (463, 475): it must not be restarted for that.
 *  - Starting one that has failed does nothing, as it counts as running: that one is restarted; where it is to be paired it is
 *    logged out, as it mostly failed because its telephone did that, and begins anew by itself.
 *  - A session must be created before it can be started, and only then. */
#include <string.h>

#include "gateway/groups.h"
#include "gateway/session.h"
#include "gateway/target.h"

enum { CREDENTIAL_WAIT_SEC = 60, CONFIGURATION_WAIT_SEC = 60 };

static const struct outcome_rule answers[] = {
    {.status = 400, .kind = OUTCOME_REJECTED, .meaning = "WAHA does not take such a message"},
    {.status = 401, WAIT(SENDER, CREDENTIAL_WAIT_SEC),
     .meaning = "the API key was refused; renew the credential with the server's WAHA_API_KEY"},
    {.status = 404, .holds = "<html", WAIT(SENDER, CONFIGURATION_WAIT_SEC), .meaning = "there is no such page; check base_url"},
    {.status = 404, .holds = "Cannot ", WAIT(SENDER, CONFIGURATION_WAIT_SEC), .meaning = "there is no such page; check base_url"},
    {.status = 404, WAIT(SENDER, WAIT_BY_BACKOFF), .meaning = "there is no such session, or it is stopped; start it, or correct "
                                                              "account.session"},
    {.status = 422, .holds = "session status is not as expected", WAIT(SENDER, WAIT_BY_BACKOFF),
     .meaning = "the session is not working; start or pair it"},
    {.status = 422, .holds = "'default' session", WAIT(SENDER, CONFIGURATION_WAIT_SEC),
     .meaning = "this edition of WAHA has one session; set account.session to \"default\""},
    {.status = 422, .holds = "Plus version", .kind = OUTCOME_REJECTED, .meaning = "this edition of WAHA sends no such media"},
    {.status = 422, .kind = OUTCOME_REJECTED, .meaning = "WAHA refused the message"},
    {.meaning = NULL},
};

/* Audio goes as a voice message, into whose format the server puts it: as a file it would be a document. */
static void write_media(struct json_writer *w, const struct message *m, const struct media *media) {
    json_write_key(w, "file");
    json_write_object(w);
    json_write_member(w, "url", media->url);
    if (media->mime_type)
        json_write_member(w, "mimetype", media->mime_type);
    session_write_optional(w, "filename", media->filename);
    json_write_object_end(w);
    session_write_optional(w, "caption", m->body);
    if (media->type == MEDIA_AUDIO) {
        json_write_key(w, "convert");
        json_write_bool(w, true);
    }
}

static void write_message(struct json_writer *w, const char *session, const struct message *m, const struct media *media) {
    json_write_member(w, "session", session);
    session_write_chat(w, "chatId", m);
    if (media)
        write_media(w, m, media);
    else
        json_write_member(w, "text", m->body);
}

static const char *read_taken(const struct understood *a, _unused_ const struct message *message,
                              const struct json_value **ret_id) {
    if (json_at(a->root, "statusCode") || json_at(a->root, "error"))
        return "it is an error";
    if (!understood_is_object(a))
        return "it is no message";
    *ret_id = json_at(a->root, "id");
    if (!*ret_id || json_type(*ret_id) == JSON_NULL)
        *ret_id = json_at(a->root, "key.id");
    return NULL;
}

static void write_creation(struct json_writer *w, const char *session) {
    json_write_member(w, "name", session);
    json_write_key(w, "start");
    json_write_bool(w, true);
}

/* What is the same for every purpose comes last. */
static bool hear_status(enum purpose purpose, enum session_step step, const char *status, struct health *ret) {
    bool has_failed = strcmp(status, "FAILED") == 0;

    if (strcmp(status, "WORKING") == 0)
        session_well(ret);
    else if (has_failed && purpose == PURPOSE_PAIR && step != SESSION_LOGOUT)
        session_go_on(SESSION_LOGOUT, ret);
    else if (strcmp(status, "SCAN_QR_CODE") == 0 && purpose == PURPOSE_PAIR)
        session_go_on(SESSION_CODE, ret);
    else if (purpose == PURPOSE_PAIR && step != SESSION_STATUS)
        session_is_starting(ret);
    else if (has_failed || (strcmp(status, "STOPPED") == 0 && step == SESSION_STATUS))
        session_go_on(step == SESSION_STATUS ? SESSION_START : SESSION_RESTART, ret);
    else if (strcmp(status, "STARTING") == 0 && step == SESSION_STATUS)
        session_is_starting(ret);
    else if (strcmp(status, "SCAN_QR_CODE") == 0)
        session_wants_pairing(ret);
    else if (strncmp(status, "PASSKEY_", strlen("PASSKEY_")) == 0)
        session_ill("the session waits for a passkey: confirm it on the telephone", ret);
    else if (step == SESSION_STATUS)
        session_ill("the session is neither working nor stopped", ret);
    else
        session_was_started(ret);
    return true;
}

static bool is_not_there(const struct understood *a) {
    const char *message = understood_string(a, "message");

    return a->reply->status == 404 && message && strncmp(message, "Cannot ", strlen("Cannot ")) != 0;
}

static bool hear_code(const struct understood *a, struct health *ret) {
    if (a->reply->status == 200 && a->root)
        session_take_code(a, "value", "data", ret);
    else if (a->reply->status == 422)
        session_ill("the session has no QR code yet, or it was scanned", ret);
    else
        return false;
    return true;
}

/* All but that of the code answer with the session; after a restart it says no more than that it begins again. */
static bool hear(enum purpose purpose, enum session_step step, const struct understood *a, struct health *ret) {
    const char *status = understood_string(a, "status");
    bool is_done = a->reply->status / 100 == 2 && status;

    if (step == SESSION_CODE)
        return hear_code(a, ret);
    if (purpose == PURPOSE_UNPAIR && (is_done || is_not_there(a)))
        session_well(ret);
    else if (purpose == PURPOSE_PAIR && step == SESSION_STATUS && is_not_there(a))
        session_go_on(SESSION_CREATE, ret);
    else if (!is_done)
        return false;
    else if (step != SESSION_RESTART)
        return hear_status(purpose, step, status, ret);
    else
        session_was_started(ret);
    return true;
}

static const struct session_dialect dialect = {
    .name = "WAHA",
    .account_key = "session",
    .credential_header = "X-Api-Key",
    .credential_prefix = "",
    .credential_noun = "API key",
    .account_remedy = "It is the name of the session on the WAHA server; set account to, for example, {\"session\": \"default\"}.",
    .base_url_remedy = "Set it to where the WAHA server listens, for example http://127.0.0.1:3000.",
    .credential_remedy = "Store the server's WAHA_API_KEY as a secret, and set the sender's credential to the secret's name, for "
                         "example 'waha_key'.",
    .send = {"POST", "/api/sendText", NULL},
    .send_media = {[MEDIA_IMAGE] = {"POST", "/api/sendImage", NULL},
                   [MEDIA_VIDEO] = {"POST", "/api/sendVideo", NULL},
                   [MEDIA_AUDIO] = {"POST", "/api/sendVoice", NULL},
                   [MEDIA_DOCUMENT] = {"POST", "/api/sendFile", NULL}},
    .steps = {[SESSION_STATUS] = {"GET", "/api/sessions/*", NULL},
              [SESSION_START] = {"POST", "/api/sessions/*/start", "{}"},
              [SESSION_RESTART] = {"POST", "/api/sessions/*/restart", "{}"},
              [SESSION_CREATE] = {"POST", "/api/sessions", NULL},
              [SESSION_CODE] = {"GET", "/api/*/auth/qr?format=raw", NULL},
              [SESSION_LOGOUT] = {"POST", "/api/sessions/*/logout", "{}"}},
    .list_groups = {"GET", "/api/*/groups?exclude=participants", NULL},
    .write_creation = write_creation,
    .write_message = write_message,
    .read_taken = read_taken,
    .answers = answers,
    .is_echoing = true,
    .hear = hear,
};

static const struct groups_shape groups = {
    .items = "",
    .ids = {"id._serialized", "id", "JID"},
    .names = {"subject", "name", "Name", "groupMetadata.subject"},
    .left = "isReadOnly",
    .is_group = target_is_phone_group,
};

DEFINE_SESSION_GATEWAY(waha, dialect, groups)
