/* WAHA, with its traps: they are marked as such below. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "sandbox/contract.h"
#include "sandbox/pairing.h"

/* An error of the framework's. */
static int write_nest(struct sandbox_reply *a, unsigned status, const char *message, const char *error) {
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, status, JSON_EXPRESS);
    if (!w)
        return -ENOMEM;
    json_write_object(w);
    json_write_key(w, "statusCode");
    json_write_int(w, status);
    json_write_member(w, "message", message);
    if (error)
        json_write_member(w, "error", error);
    json_write_object_end(w);
    int r = json_writer_finish(w);
    return r < 0 ? r : 1;
}

static int write_unexpected(const char *session, const char *status, const char *expected, struct sandbox_reply *a) {
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, 422, JSON_EXPRESS);
    if (!w)
        return -ENOMEM;
    json_write_object(w);
    json_write_member(w, "error", "Session status is not as expected. Try again later or restart the session");
    json_write_member(w, "session", session);
    json_write_member(w, "status", status);
    json_write_key(w, "expected");
    json_write_array(w);
    json_write_string(w, expected);
    json_write_array_end(w);
    json_write_object_end(w);
    int r = json_writer_finish(w);
    return r < 0 ? r : 1;
}

static int write_not_working(const char *session, struct sandbox_reply *a) {
    return write_unexpected(session, "STOPPED", "WORKING", a);
}

/* Trap: an exception repeats the request, text and number and all. */
static int write_exception(unsigned status, const char *message, const struct json_value *request, struct sandbox_reply *a) {
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, status, JSON_EXPRESS);
    if (!w)
        return -ENOMEM;
    json_write_object(w);
    json_write_key(w, "statusCode");
    json_write_int(w, status);
    json_write_key(w, "exception");
    json_write_object(w);
    json_write_member(w, "message", message);
    json_write_member(w, "name", "Error");
    json_write_object_end(w);
    json_write_key(w, "request");
    json_write_object(w);
    json_write_member(w, "path", "/api/sendText");
    json_write_member(w, "method", "POST");
    json_write_key(w, "body");
    json_write_value(w, request, NULL, NULL);
    json_write_object_end(w);
    json_write_object_end(w);
    int r = json_writer_finish(w);
    return r < 0 ? r : 1;
}

static int write_refusal(const struct verdict *verdict, const char *session, const struct json_value *request,
                         struct sandbox_reply *a) {
    switch (verdict->status) {
    case 401: return write_nest(a, 401, "Unauthorized", NULL);
    case 404: return write_nest(a, 404, "We didn't find a session with name it. Please start it first", "Not Found");
    case 422: return write_not_working(session, a);
    case 500: break;
    default: return write_nest(a, verdict->status, "Something is wrong", NULL);
    }
    switch (verdict->code) {
    case 463: return write_exception(500, "server returned error 463", request, a);
    case 475: return write_exception(500, "server returned error 475", request, a);
    default: return write_exception(500, "No LID for user", request, a);
    }
}

static int write_sent(const struct chat_arrival *arrival, const char *chat_id, struct sandbox_reply *a) {
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, 201, JSON_EXPRESS);
    if (!w)
        return -ENOMEM;
    json_write_object(w);
    json_write_key(w, "id");
    json_write_object(w);
    json_write_key(w, "fromMe");
    json_write_bool(w, true);
    json_write_member(w, "remote", chat_id);
    json_write_member(w, "_serialized", arrival->text[CHAT_MESSAGE_ID]);
    json_write_object_end(w);
    json_write_key(w, "timestamp");
    json_write_int(w, (int64_t) (clock_wall_usec() / USEC_PER_SEC));
    json_write_member(w, "body", arrival->text[CHAT_BODY]);
    json_write_object_end(w);
    return json_writer_finish(w);
}

/* type: of media, or NULL. */
static int receive(struct sandbox *s, const struct json_value *root, const char *session, const char *chat, const char *type,
                   struct sandbox_reply *a) {
    const char *text = json_text_at(root, type ? "caption" : "text"), *url = json_text_at(root, "file.url");
    _cleanup_(buf_done) struct buf media = BUF_MAX(CALL_BODY_BYTES_MAX);
    int r = type ? sandbox_write_media(&media, type, url, json_text_at(root, "file.filename")) : 0;
    if (r < 0)
        return r;
    char hex[19];
    struct verdict verdict;
    _cleanup_(buf_done) struct buf chat_id = BUF_MAX(256), recipient = BUF_MAX(256), id = BUF_MAX(512);
    /* Trap: an id without a suffix gets one, whatever it is. */
    (void) buf_printf(&chat_id, "%s%s", chat, strchr(chat, '@') ? "" : "@c.us");
    sandbox_append_recipient(&recipient, buf_string(&chat_id));
    sandbox_new_id(s, hex);
    (void) buf_printf(&id, "true_%s_3EB0%s", buf_string(&chat_id), hex);
    if (buf_error(&chat_id) || buf_error(&recipient) || buf_error(&id))
        return write_exception(500, "invalid wid", root, a);
    struct chat_arrival arrival = {
        .gateway = CHAT_WAHA,
        .is_group = text_ends_with(chat, "@g.us"),
        .unknown = 500,
        .text = {[CHAT_SENDER] = session, [CHAT_RECIPIENT] = buf_string(&recipient), [CHAT_BODY] = text ? text : "",
                 [CHAT_MEDIA] = type ? buf_string(&media) : NULL, [CHAT_MESSAGE_ID] = buf_string(&id)},
    };
    r = sandbox_receive(s, &arrival, 201, a, &verdict);
    if (r < 0)
        return r;
    if (verdict.status != 0)
        return write_refusal(&verdict, session, root, a);
    r = write_sent(&arrival, buf_string(&chat_id), a);
    if (r >= 0)
        r = sandbox_reply_spoil(a, &verdict);
    return r < 0 ? r : 1;
}

static int send_message(struct sandbox *s, const struct call *call, const char *type, struct sandbox_reply *a) {
    _cleanup_(json_freep) struct json *doc = NULL;
    const char *reason;
    int r = json_parse(call->body, call->body_size, &doc, &reason);
    if (r == -EBADMSG)
        return write_nest(a, 400, "Unexpected token in JSON", "Bad Request");
    if (r < 0)
        return r;
    const struct json_value *root = json_root(doc);
    const char *session = json_text_at(root, "session"), *chat = json_text_at(root, "chatId");
    if (!session || !*session)
        session = "default"; /* trap: it goes out by another telephone than was meant */
    if (behaviour_is_disconnected(s->behaviour, session))
        return write_not_working(session, a);
    if (!chat || !*chat)
        return write_exception(500, "Cannot read properties of undefined (reading 'includes')", root, a);
    if (type && !text_is_web_address(json_text_at(root, "file.url")))
        return write_exception(500, "Invalid URL", root, a);
    return receive(s, root, session, chat, type, a);
}

static int write_session(unsigned status, const char *name, const char *state, struct sandbox_reply *a) {
    return sandbox_reply_flat(a, status, FLAT("name", name, "status", state, "config", NULL, "me", NULL));
}

static const char *status_of(enum pairing_state state) {
    static const char *const names[] = {[PAIRING_CONNECTED] = "WORKING", [PAIRING_CLOSED] = "STOPPED",
                                        [PAIRING_STARTING] = "STARTING", [PAIRING_WAITING] = "SCAN_QR_CODE"};
    return names[state];
}

static int session_call(struct sandbox *s, const char *name, const char *verb, struct sandbox_reply *a) {
    enum pairing_state state = pairing_state(s, name, 0);
    bool is_restart = verb && strcmp(verb, "restart") == 0, is_logout = verb && strcmp(verb, "logout") == 0;
    if (!verb)
        return write_session(200, name, status_of(state), a);
    if (!is_restart && !is_logout && strcmp(verb, "start") != 0)
        return write_nest(a, 404, "Cannot POST that", "Not Found");
    int r = is_logout ? pairing_end(s, name) : 0;
    /* Trap: what is logged out begins anew by itself, unless it was stopped. */
    if (is_logout ? state != PAIRING_CLOSED : state == PAIRING_CLOSED || (is_restart && state != PAIRING_CONNECTED))
        pairing_start(s, name);
    return r < 0 ? r : write_session(201, name, is_restart ? "STARTING" : status_of(pairing_state(s, name, 0)), a);
}

/* Trap: what the code says is told only where that is asked for, and nothing where there is none. */
static int get_code(struct sandbox *s, const struct call *call, const char *name, struct sandbox_reply *a) {
    char code[PAIRING_CODE_BYTES];
    enum pairing_state state = pairing_state(s, name, 0);
    if (state != PAIRING_WAITING || !pairing_code(s, name, code))
        return write_unexpected(name, status_of(state), "SCAN_QR_CODE", a);
    if (!call->format || strcmp(call->format, "raw") != 0)
        return sandbox_reply_flat(a, 200, FLAT("mimetype", "image/png", "data", strchr(SANDBOX_IMAGE, ',') + 1));
    return sandbox_reply_flat(a, 200, FLAT("value", code));
}

/* As the engine behind has them: chats of its own kind. */
static int get_groups(struct sandbox *s, const char *session, struct sandbox_reply *a) {
    if (behaviour_is_disconnected(s->behaviour, session))
        return write_not_working(session, a);
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, 200, JSON_EXPRESS);
    if (!w)
        return -ENOMEM;
    json_write_array(w);
    for (const struct sandbox_group *g = sandbox_groups; g->id; g++)
        sandbox_write_chat(w, g->id, g->name);
    json_write_array_end(w);
    int r = json_writer_finish(w);
    return r < 0 ? r : 1;
}

/* False: the path sends nothing. *ret_type: of media, or NULL. */
static bool is_send_path(const char *path, const char **ret_type) {
    static const struct {
        const char *path, *type;
    } table[] = {{"/api/sendText", NULL}, {"/api/sendImage", "image"}, {"/api/sendVideo", "video"},
                 {"/api/sendVoice", "audio"}, {"/api/sendFile", "document"}};
    for (size_t i = 0; i < ELEMENTSOF(table); i++)
        if (strcmp(path, table[i].path) == 0) {
            *ret_type = table[i].type;
            return true;
        }
    return false;
}

int contract_waha(struct sandbox *s, const struct call *call, struct sandbox_reply *a) {
    char parts[PATH_PARTS_MAX][PATH_PART_BYTES];
    const char *type = NULL;
    bool is_post = strcmp(call->method, "POST") == 0, is_send = is_send_path(call->path, &type);
    bool has_verb = !is_send && call_path_matches("/api/sessions/*/*", call->path, parts);
    bool is_groups = !is_send && !has_verb && call_path_matches("/api/*/groups", call->path, parts);
    bool is_code = !is_send && !has_verb && !is_groups && call_path_matches("/api/*/auth/qr", call->path, parts);
    if (!is_send && !has_verb && !is_groups && !is_code && !call_path_matches("/api/sessions/*", call->path, parts))
        return 0;
    sandbox_reply_header(a, "X-Powered-By", "Express");
    if (!sandbox_knows_token(s, call->api_key))
        return write_nest(a, 401, "Unauthorized", NULL);
    if (is_post != (is_send || has_verb))
        return write_nest(a, 404, "Cannot use this path with this method", "Not Found");
    if (is_groups)
        return get_groups(s, parts[0], a);
    if (is_code)
        return get_code(s, call, parts[0], a);
    return is_send ? send_message(s, call, type, a) : session_call(s, parts[0], has_verb ? parts[1] : NULL, a);
}
