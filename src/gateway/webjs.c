/* wwebjs-api, the REST server of whatsapp-web.js: POST BASE/client/sendMessage/SESSION.
 *
 * account: {"session": "alerts"}; the credential is the server's API_KEY, or there is none where the server has none.
 *
 * What decides the code here:
 *  - A chatId is used as it is: DIGITS@c.us or a group's id, or the call fails in words of the browser's.
 *  - 200 without a message means that the browser gave none back, as WhatsApp Web has renamed what it is looked up by (PR 201832
 *    of whatsapp-web.js); it was sent. Of a group it also means that there is no such chat (Client.js, sendMessage).
 *  - 404 is a session that is not there or not connected (a page that is not there is HTML).
 *  - Starting a session that is there is refused (422), although its browser may have died: that one is restarted.
 *  - Ending a session (terminate) is what logs it out. */
#include <string.h>

#include "gateway/groups.h"
#include "gateway/session.h"
#include "gateway/target.h"

enum { CREDENTIAL_WAIT_SEC = 60, CONFIGURATION_WAIT_SEC = 60 };

static const struct outcome_rule answers[] = {
    {.status = 400, .kind = OUTCOME_REJECTED, .meaning = "wwebjs-api does not take such a message"},
    {.status = 403, .holds = "API key", WAIT(SENDER, CREDENTIAL_WAIT_SEC),
     .meaning = "the API key was refused; renew the credential with the server's API_KEY"},
    {.status = 404, .holds = "<html", WAIT(SENDER, CONFIGURATION_WAIT_SEC), .meaning = "there is no such page; check base_url"},
    {.status = 404, .holds = "\"success\"", WAIT(SENDER, WAIT_BY_BACKOFF),
     .meaning = "the session is not connected; start or pair it"},
    /* Before anything is sent: issue 201829 of whatsapp-web.js, and a page that is not loaded yet. */
    {.status = 500, .holds = "reading 'markedUnread'", WAIT(SENDER, WAIT_BY_BACKOFF),
     .meaning = "the session's WhatsApp Web does not send now"},
    {.status = 500, .holds = "reading 'getChat'", WAIT(SENDER, WAIT_BY_BACKOFF),
     .meaning = "the session's page is not loaded"},
    {.status = 422, WAIT(SENDER, CONFIGURATION_WAIT_SEC),
     .meaning = "wwebjs-api does not take the session's name; correct account.session"},
    {.meaning = NULL},
};

static bool is_session(const char *name) {
    return name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] == '\0';
}

static void write_message(struct json_writer *w, _unused_ const char *session, const struct message *m, const struct media *media) {
    session_write_chat(w, "chatId", m);
    json_write_member(w, "contentType", media ? "MessageMediaFromURL" : "string");
    json_write_member(w, "content", media ? media->url : m->body);
    if (!media)
        return;
    if (*media->filename) {
        json_write_key(w, "mediaFromURLOptions");
        json_write_object(w);
        json_write_member(w, "filename", media->filename);
        json_write_object_end(w);
    }
    json_write_key(w, "options");
    json_write_object(w);
    session_write_optional(w, "caption", m->body);
    if (media->type == MEDIA_DOCUMENT) {
        json_write_key(w, "sendMediaAsDocument");
        json_write_bool(w, true);
    }
    json_write_object_end(w);
}

static const char *read_taken(const struct understood *a, const struct message *message, const struct json_value **ret_id) {
    const struct json_value *sent = json_at(a->root, "message");

    if (!json_is_true_at(a->root, "success"))
        return "it has no success true";
    if (message->is_group && (!sent || json_type(sent) != JSON_OBJECT))
        return "it has no message, as where the account is not in the group";
    *ret_id = json_at(sent, "id");
    return NULL;
}

static bool says(const struct understood *a, const char *words) {
    const char *message = understood_string(a, "message");

    return message && strcmp(message, words) == 0;
}

static bool hear_status(enum purpose purpose, const struct understood *a, struct health *ret) {
    const char *state = understood_string(a, "state");

    if (json_is_true_at(a->root, "success"))
        session_well(ret);
    else if (!understood_string(a, "message"))
        return false;
    else if (says(a, "session_not_found") || says(a, "session closed") || says(a, "browser tab closed"))
        session_go_on(SESSION_START, ret);
    else if (purpose == PURPOSE_PAIR)
        session_go_on(SESSION_CODE, ret); /* while it shows a QR code it may have no state at all */
    else if (state && strcmp(state, "OPENING") == 0)
        session_is_starting(ret);
    else if (state && strncmp(state, "UNPAIRED", strlen("UNPAIRED")) == 0)
        session_wants_pairing(ret);
    else
        session_ill("the session is not connected: it is being started, or waits to be paired", ret);
    return true;
}

static bool hear_code(const struct understood *a, struct health *ret) {
    if (json_is_true_at(a->root, "success"))
        session_take_code(a, "qr", NULL, ret);
    else if (understood_string(a, "message"))
        session_ill("the session has no QR code yet, or it was scanned", ret);
    else
        return false;
    return true;
}

static bool hear(enum purpose purpose, enum session_step step, const struct understood *a, struct health *ret) {
    if (step == SESSION_START && a->reply->status == 422 && strstr(a->words, "already exists"))
        session_go_on(SESSION_RESTART, ret);
    else if (a->reply->status != 200)
        return false;
    else if (step == SESSION_STATUS)
        return hear_status(purpose, a, ret);
    else if (step == SESSION_CODE)
        return hear_code(a, ret);
    else if (step == SESSION_LOGOUT && (json_is_true_at(a->root, "success") || says(a, "session_not_found")))
        session_well(ret);
    else if (step == SESSION_LOGOUT || !json_is_true_at(a->root, "success"))
        return false;
    else if (purpose == PURPOSE_PAIR)
        session_is_starting(ret);
    else
        session_was_started(ret);
    return true;
}

static const struct session_dialect dialect = {
    .name = "wwebjs-api",
    .account_key = "session",
    .is_session = is_session,
    .is_open = true,
    .credential_header = "x-api-key",
    .credential_prefix = "",
    .credential_noun = "API key",
    .account_remedy = "It is the name of the session on the wwebjs-api server, of letters, digits, _ and -; set account to, for "
                      "example, {\"session\": \"alerts\"}.",
    .base_url_remedy = "Set it to where the wwebjs-api server listens, for example http://127.0.0.1:3000.",
    .credential_remedy = "Store the server's API_KEY as a secret, and set the sender's credential to the secret's name, for "
                         "example 'webjs_key'; leave the credential out where the server has no API_KEY.",
    .send = {"POST", "/client/sendMessage/*", NULL},
    .send_media = {[MEDIA_IMAGE ... MEDIA_DOCUMENT] = {"POST", "/client/sendMessage/*", NULL}},
    .steps = {[SESSION_STATUS] = {"GET", "/session/status/*", NULL},
              [SESSION_START] = {"GET", "/session/start/*", NULL},
              [SESSION_RESTART] = {"GET", "/session/restart/*", NULL},
              [SESSION_CODE] = {"GET", "/session/qr/*", NULL},
              [SESSION_LOGOUT] = {"GET", "/session/terminate/*", NULL}},
    .list_groups = {"GET", "/client/getChats/*", NULL},
    .write_message = write_message,
    .read_taken = read_taken,
    .answers = answers,
    .hear = hear,
};

static const struct groups_shape groups = {
    .items = "chats",
    .ids = {"id._serialized"},
    .names = {"name", "groupMetadata.subject"},
    .left = "isReadOnly",
    .is_group = target_is_phone_group,
};

DEFINE_SESSION_GATEWAY(webjs, dialect, groups)
