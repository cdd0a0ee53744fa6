/* Evolution API: POST BASE/message/sendText/INSTANCE.
 *
 * account: {"instance": "alerts"}; the credential is the server's API key, or the instance's token.
 *
 * What decides the code here:
 *  - 400 says everything: the number is not on WhatsApp where the answer has exists: false, the request was of another form where
 *    its messages are a list in a list, and else something went wrong inside, such as a lost connection.
 *  - It makes its own chat id of a number, and takes a digit out of or puts one into some of Brazil, Mexico and Argentina. Numbers
 *    go out as they are written: only the server knows what is right for it.
 *  - A missing instance is told before a wrong key, which may be wrong as well.
 *  - Connecting is also how its QR code is asked for; while it waits for that, it says that it is connecting.
 *  - Logging out what is not connected is refused (400). */
#include <string.h>

#include "gateway/compose.h"
#include "gateway/groups.h"
#include "gateway/session.h"
#include "gateway/target.h"

enum { CREDENTIAL_WAIT_SEC = 60, CONFIGURATION_WAIT_SEC = 60 };

static const struct outcome_rule answers[] = {
    {.holds = "Connection Closed", WAIT(SENDER, WAIT_BY_BACKOFF), .meaning = "the instance is not connected; connect or pair it"},
    /* It sends, and then writes the message down (whatsapp.baileys.service.ts): these come from there, or from the wait for
     * WhatsApp's own answer. */
    {.status = 400, .holds = "Prisma", .kind = OUTCOME_IN_DOUBT,
     .meaning = "the server's own database failed, after it had sent it"},
    {.status = 400, .holds = "Timed Out", .kind = OUTCOME_IN_DOUBT, .meaning = "WhatsApp did not answer the server in time"},
    /* A plain object that it throws where a group is unknown (404.exception.ts). */
    {.status = 400, .holds = "[object Object]", .kind = OUTCOME_REJECTED, .meaning = "the instance is not in this group"},
    {.status = 400, .holds = "must be a url", .kind = OUTCOME_REJECTED,
     .meaning = "Evolution takes media only from a host with a public name, or from an address"},
    {.status = 401, WAIT(SENDER, CREDENTIAL_WAIT_SEC),
     .meaning = "the API key was refused; renew the credential with the server's key or the instance's token"},
    {.status = 404, .holds = "instance does not exist", WAIT(SENDER, CONFIGURATION_WAIT_SEC),
     .meaning = "there is no such instance; correct account.instance"},
    {.meaning = NULL},
};

static const struct outcome_rule not_on_whatsapp = {.kind = OUTCOME_REJECTED, .meaning = "the number is not on WhatsApp"};
static const struct outcome_rule of_another_form = {.kind = OUTCOME_REJECTED, .meaning = "Evolution does not take such a message"};

static const struct outcome_rule of_another_version = {
    WAIT(SENDER, CONFIGURATION_WAIT_SEC),
    .meaning = "this is Evolution 1, which takes messages of another form; pgherald speaks with 2"};

static const struct outcome_rule *judge(const struct understood *a) {
    const struct json_value *message = json_at(a->root, "response.message.0"), *exists = json_at(message, "exists");

    if (a->reply->status != 400 || !message)
        return NULL;
    if (exists && json_type(exists) == JSON_BOOL && !json_is_true_at(exists, ""))
        return &not_on_whatsapp;
    if (json_type(message) != JSON_ARRAY)
        return NULL;
    return strstr(a->words, "textMessage") ? &of_another_version : &of_another_form;
}

static int check_media(const struct media *media, struct outcome *ret) {
    if (media->type != MEDIA_DOCUMENT || media_has_ending(media->filename))
        return 1;
    return compose_reject("Evolution knows a document's type by the ending of its file's name, and there is none; give its media a "
                          "\"filename\", for example report.pdf", ret);
}

/* Of a file's name it makes the type, so only a document has one here. */
static void write_media(struct json_writer *w, const struct message *m, const struct media *media) {
    json_write_member(w, "mediatype", media_type_to_string(media->type));
    json_write_member(w, "media", media->url);
    if (media->mime_type)
        json_write_member(w, "mimetype", media->mime_type);
    if (media->type == MEDIA_DOCUMENT)
        json_write_member(w, "fileName", media->filename);
    session_write_optional(w, "caption", m->body);
}

static void write_message(struct json_writer *w, _unused_ const char *session, const struct message *m, const struct media *media) {
    json_write_member(w, "number", m->is_group ? m->target : m->target + 1);
    if (media)
        write_media(w, m, media);
    else
        json_write_member(w, "text", m->body);
}

static const char *read_taken(const struct understood *a, _unused_ const struct message *message,
                              const struct json_value **ret_id) {
    if (json_at(a->root, "error"))
        return "it is an error";
    *ret_id = json_at(a->root, "key.id");
    return json_at(a->root, "key") || (a->reply->status == 201 && understood_is_object(a)) ? NULL : "it has no key";
}

static void write_creation(struct json_writer *w, const char *instance) {
    json_write_member(w, "instanceName", instance);
    json_write_member(w, "integration", "WHATSAPP-BAILEYS");
    json_write_key(w, "qrcode");
    json_write_bool(w, false);
}

static bool is_open(const struct understood *a) {
    const char *state = understood_string(a, "instance.state");

    return state && strcmp(state, "open") == 0;
}

static bool hear_status(const struct understood *a, struct health *ret) {
    const char *state = understood_string(a, "instance.state");

    if (!state)
        return false;
    if (strcmp(state, "open") == 0)
        session_well(ret);
    else if (strcmp(state, "close") == 0)
        session_go_on(SESSION_START, ret);
    else if (strcmp(state, "connecting") == 0)
        session_ill("the instance is connecting, or waits to be paired: scan its QR code if it stays so", ret);
    else
        session_ill("the instance is neither open nor closed", ret);
    return true;
}

/* Connecting answers with a code where a telephone has to be paired first, and with 200 also where it failed. */
static bool hear_health(enum session_step step, const struct understood *a, struct health *ret) {
    if (a->reply->status != 200 || json_is_true_at(a->root, "error"))
        return false;
    if (step == SESSION_STATUS)
        return hear_status(a, ret);
    if (understood_string(a, "code") || understood_string(a, "base64"))
        session_wants_pairing(ret);
    else
        session_was_started(ret);
    return true;
}

static bool is_not_there(const struct understood *a) {
    return a->reply->status == 404 && strstr(a->words, "instance does not exist");
}

static bool hear_pairing(enum session_step step, const struct understood *a, struct health *ret) {
    if (step == SESSION_STATUS && is_not_there(a))
        session_go_on(SESSION_CREATE, ret);
    else if (step == SESSION_CREATE && a->reply->status == 401)
        session_ill("there is no such instance, and only the server's own API key may create it", ret);
    else if (a->reply->status != (step == SESSION_CREATE ? 201 : 200) || !a->root)
        return false;
    else if (step != SESSION_CREATE && is_open(a))
        session_well(ret);
    else if (step != SESSION_START)
        session_go_on(SESSION_START, ret);
    else if (json_is_true_at(a->root, "error"))
        session_ill("the server could not connect the instance", ret);
    else
        session_take_code(a, "code", "base64", ret);
    return true;
}

static bool hear_logout(const struct understood *a, struct health *ret) {
    bool is_done = a->reply->status == 200 && a->root && !json_is_true_at(a->root, "error");

    if (!is_done && !is_not_there(a) && !(a->reply->status == 400 && strstr(a->words, "is not connected")))
        return false;
    session_well(ret);
    return true;
}

static bool hear(enum purpose purpose, enum session_step step, const struct understood *a, struct health *ret) {
    switch (purpose) {
    case PURPOSE_PAIR: return hear_pairing(step, a, ret);
    case PURPOSE_UNPAIR: return hear_logout(a, ret);
    default: return hear_health(step, a, ret);
    }
}

static const struct session_dialect dialect = {
    .name = "Evolution",
    .account_key = "instance",
    .credential_header = "apikey",
    .credential_prefix = "",
    .credential_noun = "API key",
    .account_remedy = "It is the name of the instance on the Evolution server; set account to, for example, {\"instance\": "
                      "\"alerts\"}.",
    .base_url_remedy = "Set it to where the Evolution server listens, for example http://127.0.0.1:8080.",
    .credential_remedy = "Store the server's API key, or the instance's token, as a secret, and set the sender's credential to the "
                         "secret's name, for example 'evolution_key'.",
    .send = {"POST", "/message/sendText/*", NULL},
    .send_media = {[MEDIA_IMAGE ... MEDIA_DOCUMENT] = {"POST", "/message/sendMedia/*", NULL}},
    .steps = {[SESSION_STATUS] = {"GET", "/instance/connectionState/*", NULL},
              [SESSION_START] = {"GET", "/instance/connect/*", NULL},
              [SESSION_CREATE] = {"POST", "/instance/create", NULL},
              [SESSION_LOGOUT] = {"DELETE", "/instance/logout/*", NULL}},
    .list_groups = {"GET", "/group/fetchAllGroups/*?getParticipants=false", NULL},
    .check_media = check_media,
    .write_creation = write_creation,
    .write_message = write_message,
    .read_taken = read_taken,
    .answers = answers,
    .judge = judge,
    .hear = hear,
};

static const struct groups_shape groups = {
    .items = "",
    .ids = {"id"},
    .names = {"subject"},
    .is_group = target_is_phone_group,
};

DEFINE_SESSION_GATEWAY(evolution, dialect, groups)
