/* Evolution API 2.3, with its traps: they are marked as such below. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "sandbox/contract.h"
#include "sandbox/pairing.h"

#define DIGITS "0123456789"
#define TELEPHONE_SUFFIX "@s.whatsapp.net"

enum { GROUP_DIGITS_MIN = 18, NUMBER_BYTES_MAX = 64 };

/* {"status", "error", "response": {"message": [text]}}, or a list in the list: a request of another form. */
static int write_failure(struct sandbox_reply *a, unsigned status, const char *error, const char *text, bool is_nested) {
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, status, JSON_EXPRESS);
    if (!w)
        return -ENOMEM;
    json_write_object(w);
    json_write_key(w, "status");
    json_write_int(w, status);
    json_write_member(w, "error", error);
    json_write_key(w, "response");
    json_write_object(w);
    json_write_key(w, "message");
    json_write_array(w);
    if (is_nested)
        json_write_array(w);
    json_write_string(w, text);
    if (is_nested)
        json_write_array_end(w);
    json_write_array_end(w);
    json_write_object_end(w);
    json_write_object_end(w);
    int r = json_writer_finish(w);
    return r < 0 ? r : 1;
}

/* Trap: the same status as of everything else that goes wrong. */
static int write_unknown_number(struct sandbox_reply *a, const char *jid, const char *number) {
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, 400, JSON_EXPRESS);
    if (!w)
        return -ENOMEM;
    json_write_object(w);
    json_write_key(w, "status");
    json_write_int(w, 400);
    json_write_member(w, "error", "Bad Request");
    json_write_key(w, "response");
    json_write_object(w);
    json_write_key(w, "message");
    json_write_array(w);
    json_write_object(w);
    json_write_member(w, "jid", jid);
    json_write_key(w, "exists");
    json_write_bool(w, false);
    json_write_member(w, "number", number);
    json_write_object_end(w);
    json_write_array_end(w);
    json_write_object_end(w);
    json_write_object_end(w);
    int r = json_writer_finish(w);
    return r < 0 ? r : 1;
}

static int write_unauthorized(struct sandbox_reply *a) {
    sandbox_reply_text(a, 401, JSON_EXPRESS,
                       "{\"status\":401,\"error\":\"Unauthorized\",\"response\":{\"message\":\"Unauthorized\"}}");
    return 1;
}

static int write_no_instance(struct sandbox_reply *a, const char *instance) {
    char text[PATH_PART_BYTES + 64];
    (void) snprintf(text, sizeof(text), "The \"%s\" instance does not exist", instance);
    return write_failure(a, 404, "Not Found", text, false);
}

/* Trap: some numbers of Brazil, Mexico and Argentina become others. in: digits. */
static void write_number(struct buf *b, const char *in) {
    size_t size = strlen(in);
    int area = size >= 4 ? (in[2] - '0') * 10 + (in[3] - '0') : 0;
    if (size == 13 && (strncmp(in, "52", 2) == 0 || strncmp(in, "54", 2) == 0))
        (void) buf_printf(b, "%.2s%s", in, in + 3);
    else if (size == 13 && strncmp(in, "55", 2) == 0 && area >= 31 && in[5] >= '7')
        (void) buf_printf(b, "%.4s%s", in, in + 5);
    else
        (void) buf_append_string(b, in);
}

/* The chat's id that the real one makes of a number. Trap: what is long is taken for a group. */
static void write_jid(struct buf *b, const char *number) {
    char digits[NUMBER_BYTES_MAX + 1];
    size_t size = 0;
    if (text_ends_with(number, "@g.us") || text_ends_with(number, TELEPHONE_SUFFIX) || strstr(number, "@lid")) {
        (void) buf_append_string(b, number);
        return;
    }
    for (const char *p = number; *p && *p != '@' && size < NUMBER_BYTES_MAX; p++)
        if (strchr(DIGITS, *p))
            digits[size++] = *p;
    digits[size] = '\0';
    if (size >= GROUP_DIGITS_MIN) {
        (void) buf_printf(b, "%s@g.us", digits);
        return;
    }
    write_number(b, digits);
    (void) buf_append_string(b, TELEPHONE_SUFFIX);
}

/* What a person reads. */
static void write_recipient(struct buf *b, const char *jid) {
    size_t digits = strspn(jid, DIGITS);
    if (digits > 0 && strcmp(jid + digits, TELEPHONE_SUFFIX) == 0)
        (void) buf_printf(b, "+%.*s", (int) digits, jid);
    else
        (void) buf_append_string(b, jid);
}

static int write_sent(const struct chat_arrival *arrival, const char *jid, struct sandbox_reply *a) {
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, 201, JSON_EXPRESS);
    if (!w)
        return -ENOMEM;
    json_write_object(w);
    json_write_key(w, "key");
    json_write_object(w);
    json_write_member(w, "remoteJid", jid);
    json_write_key(w, "fromMe");
    json_write_bool(w, true);
    json_write_member(w, "id", arrival->text[CHAT_MESSAGE_ID]);
    json_write_object_end(w);
    json_write_member(w, "status", "PENDING");
    json_write_member(w, "messageType", "conversation");
    json_write_key(w, "messageTimestamp");
    json_write_int(w, (int64_t) (clock_wall_usec() / USEC_PER_SEC));
    json_write_object_end(w);
    return json_writer_finish(w);
}

static int write_refusal(unsigned status, const char *instance, const char *jid, const char *number, struct sandbox_reply *a) {
    switch (status) {
    case 400: return write_unknown_number(a, jid, number);
    case 401: return write_unauthorized(a);
    case 404: return write_no_instance(a, instance);
    default: return write_failure(a, status, "Internal Server Error", "Error: Timed Out", false);
    }
}

/* media: JSON, or NULL. */
static int receive(struct sandbox *s, const char *instance, const char *number, const char *text, const char *media,
                   struct sandbox_reply *a) {
    char hex[19];
    struct verdict verdict;
    _cleanup_(buf_done) struct buf jid = BUF_MAX(256), recipient = BUF_MAX(256);
    write_jid(&jid, number);
    write_recipient(&recipient, buf_string(&jid));
    sandbox_new_id(s, hex);
    if (buf_error(&jid) || buf_error(&recipient))
        return write_failure(a, 400, "Bad Request", "Error: invalid jid", false);
    struct chat_arrival arrival = {
        .gateway = CHAT_EVOLUTION,
        .is_group = text_ends_with(buf_string(&jid), "@g.us"),
        .text = {[CHAT_SENDER] = instance, [CHAT_RECIPIENT] = buf_string(&recipient), [CHAT_BODY] = text, [CHAT_MEDIA] = media,
                 [CHAT_MESSAGE_ID] = hex},
    };
    int r = sandbox_receive(s, &arrival, 201, a, &verdict);
    if (r < 0)
        return r;
    if (verdict.status != 0)
        return write_refusal(verdict.status, instance, buf_string(&jid), number, a);
    r = write_sent(&arrival, buf_string(&jid), a);
    if (r >= 0)
        r = sandbox_reply_spoil(a, &verdict);
    return r < 0 ? r : 1;
}

static int send_media(struct sandbox *s, const struct json_value *root, const char *instance, const char *number,
                      struct sandbox_reply *a) {
    static const char *const types[] = {"image", "document", "video", "audio"};
    const char *type = json_text_at(root, "mediatype"), *url = json_text_at(root, "media"), *name = json_text_at(root, "fileName");
    const char *caption = json_text_at(root, "caption");
    _cleanup_(buf_done) struct buf media = BUF_MAX(CALL_BODY_BYTES_MAX);
    bool is_known = false;
    for (size_t i = 0; i < ELEMENTSOF(types); i++)
        is_known = is_known || (type && strcmp(type, types[i]) == 0);
    if (!is_known)
        return write_failure(a, 400, "Bad Request", "mediatype is not one of enum values: image,document,video,audio", true);
    if (!text_is_web_address(url))
        return write_failure(a, 400, "Bad Request", "Owned media must be a url or base64", false);
    /* Trap: it looks for the type in the name. */
    if (strcmp(type, "document") == 0 && !(name && strchr(name, '.')))
        return write_failure(a, 500, "Internal Server Error", "TypeError: Cannot read properties of null (reading '1')", false);
    int r = sandbox_write_media(&media, type, url, name);
    return r < 0 ? r : receive(s, instance, number, caption ? caption : "", buf_string(&media), a);
}

static int send_message(struct sandbox *s, const struct call *call, const char *instance, bool has_media, struct sandbox_reply *a) {
    _cleanup_(json_freep) struct json *doc = NULL;
    const char *reason;
    int r = json_parse(call->body, call->body_size, &doc, &reason);
    if (r == -EBADMSG)
        return write_failure(a, 400, "Internal Server Error", "Unexpected token in JSON", false);
    if (r < 0)
        return r;
    const struct json_value *number = json_at(json_root(doc), "number"), *text = json_at(json_root(doc), "text");
    if (!number || json_type(number) != JSON_STRING)
        return write_failure(a, 400, "Bad Request", "requires property \"number\"", true);
    if (!has_media && (!text || json_type(text) != JSON_STRING))
        return write_failure(a, 400, "Bad Request", "requires property \"text\"", true);
    /* Trap: a lost connection is the request's fault. */
    if (behaviour_is_disconnected(s->behaviour, instance))
        return write_failure(a, 400, "Bad Request", "Error: Connection Closed", false);
    if (has_media)
        return send_media(s, json_root(doc), instance, json_text(number), a);
    return receive(s, instance, json_text(number), json_text(text), NULL, a);
}

static int write_state(struct sandbox_reply *a, const char *instance, const char *state) {
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, 200, JSON_EXPRESS);
    if (!w)
        return -ENOMEM;
    json_write_object(w);
    json_write_key(w, "instance");
    json_write_object(w);
    json_write_member(w, "instanceName", instance);
    json_write_member(w, "state", state);
    json_write_object_end(w);
    json_write_object_end(w);
    int r = json_writer_finish(w);
    return r < 0 ? r : 1;
}

/* Trap: connecting also tells the code, which is not there at the first time. */
static int connect_instance(struct sandbox *s, const char *instance, enum pairing_state state, struct sandbox_reply *a) {
    char code[PAIRING_CODE_BYTES];
    if (state == PAIRING_CONNECTED)
        return write_state(a, instance, "open");
    if (state == PAIRING_CLOSED)
        pairing_start(s, instance);
    if (state == PAIRING_WAITING && pairing_code(s, instance, code))
        return sandbox_reply_flat(a, 200, FLAT("pairingCode", NULL, "code", code, "base64", SANDBOX_IMAGE));
    sandbox_reply_text(a, 200, JSON_EXPRESS, "{\"count\":0}");
    return 1;
}

static int get_groups(struct sandbox *s, const char *instance, struct sandbox_reply *a) {
    if (behaviour_is_disconnected(s->behaviour, instance))
        return write_failure(a, 500, "Internal Server Error", "Error: Connection Closed", false);
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, 200, JSON_EXPRESS);
    if (!w)
        return -ENOMEM;
    json_write_array(w);
    for (const struct sandbox_group *g = sandbox_groups; g->id; g++) {
        json_write_object(w);
        json_write_member(w, "id", g->id);
        json_write_member(w, "subject", g->name);
        json_write_key(w, "size");
        json_write_int(w, 8);
        json_write_object_end(w);
    }
    json_write_array_end(w);
    int r = json_writer_finish(w);
    return r < 0 ? r : 1;
}

/* Trap: what is not connected is not logged out. */
static int log_out(struct sandbox *s, const char *instance, enum pairing_state state, struct sandbox_reply *a) {
    if (state == PAIRING_CLOSED) {
        char text[PATH_PART_BYTES + 64];
        (void) snprintf(text, sizeof(text), "The \"%s\" instance is not connected", instance);
        return write_failure(a, 400, "Bad Request", text, false);
    }
    int r = pairing_end(s, instance);
    sandbox_reply_text(a, 200, JSON_EXPRESS,
                       "{\"status\":\"SUCCESS\",\"error\":false,\"response\":{\"message\":\"Instance logged out\"}}");
    return r < 0 ? r : 1;
}

static int instance_call(struct sandbox *s, const struct call *call, const char *verb, const char *instance,
                         struct sandbox_reply *a) {
    static const char *const states[] = {[PAIRING_CONNECTED] = "open", [PAIRING_CLOSED] = "close",
                                         [PAIRING_STARTING] = "connecting", [PAIRING_WAITING] = "connecting"};
    enum pairing_state state = pairing_state(s, instance, 0);
    bool is_delete = strcmp(call->method, "DELETE") == 0, is_logout = strcmp(verb, "logout") == 0;
    if (is_delete && is_logout)
        return log_out(s, instance, state, a);
    if (!is_delete && strcmp(verb, "connectionState") == 0)
        return write_state(a, instance, states[state]);
    if (!is_delete && strcmp(verb, "connect") == 0)
        return connect_instance(s, instance, state, a);
    return write_failure(a, 404, "Not Found", "Cannot use this path with this method", false);
}

int contract_evolution(struct sandbox *s, const struct call *call, struct sandbox_reply *a) {
    char parts[PATH_PARTS_MAX][PATH_PART_BYTES];
    bool is_post = strcmp(call->method, "POST") == 0, has_media = call_path_matches("/message/sendMedia/*", call->path, parts);
    bool is_send = has_media || call_path_matches("/message/sendText/*", call->path, parts);
    bool is_groups = !is_send && call_path_matches("/group/fetchAllGroups/*", call->path, parts);
    if (!is_send && !is_groups && !call_path_matches("/instance/*/*", call->path, parts))
        return 0;
    if (is_send != is_post)
        return write_failure(a, 404, "Not Found", "Cannot use this path with this method", false);
    if (!sandbox_knows_token(s, call->apikey))
        return write_unauthorized(a);
    if (is_groups)
        return get_groups(s, parts[0], a);
    return is_send ? send_message(s, call, parts[0], has_media, a) : instance_call(s, call, parts[0], parts[1], a);
}
