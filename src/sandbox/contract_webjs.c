/* wwebjs-api, with its traps: they are marked as such below. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "sandbox/contract.h"
#include "sandbox/pairing.h"

static int write_failure(struct sandbox_reply *a, unsigned status, const char *error) {
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, status, JSON_EXPRESS);
    if (!w)
        return -ENOMEM;
    json_write_object(w);
    json_write_key(w, "success");
    json_write_bool(w, false);
    json_write_member(w, "error", error);
    json_write_object_end(w);
    int r = json_writer_finish(w);
    return r < 0 ? r : 1;
}

static int write_said(struct sandbox_reply *a, bool success, const char *state, const char *message) {
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, 200, JSON_EXPRESS);
    if (!w)
        return -ENOMEM;
    json_write_object(w);
    json_write_key(w, "success");
    json_write_bool(w, success);
    json_write_member(w, "state", state);
    json_write_member(w, "message", message);
    json_write_object_end(w);
    int r = json_writer_finish(w);
    return r < 0 ? r : 1;
}

static int write_refusal(unsigned status, struct sandbox_reply *a) {
    switch (status) {
    case 403: return write_failure(a, 403, "Invalid API key");
    case 404: return write_failure(a, 404, "session_not_connected");
    case 429: /* trap: no JSON */
        sandbox_reply_text(a, 429, "text/html; charset=utf-8", "You can't make any more requests at the moment. Try again later");
        return 1;
    case 500: return write_failure(a, 500, "No LID for user");
    default: return write_failure(a, status, "Evaluation failed: t");
    }
}

static int write_sent(const struct chat_arrival *arrival, const char *chat_id, struct sandbox_reply *a) {
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, 200, JSON_EXPRESS);
    if (!w)
        return -ENOMEM;
    json_write_object(w);
    json_write_key(w, "success");
    json_write_bool(w, true);
    /* Trap: of a message without a text the browser gives none back. */
    if (*arrival->text[CHAT_BODY] || arrival->text[CHAT_MEDIA]) {
        json_write_key(w, "message");
        json_write_object(w);
        json_write_key(w, "id");
        json_write_object(w);
        json_write_key(w, "fromMe");
        json_write_bool(w, true);
        json_write_member(w, "remote", chat_id);
        json_write_member(w, "_serialized", arrival->text[CHAT_MESSAGE_ID]);
        json_write_object_end(w);
        json_write_key(w, "ack");
        json_write_int(w, 1);
        json_write_key(w, "timestamp");
        json_write_int(w, (int64_t) (clock_wall_usec() / USEC_PER_SEC));
        json_write_member(w, "body", arrival->text[CHAT_BODY]);
        json_write_object_end(w);
    }
    json_write_object_end(w);
    return json_writer_finish(w);
}

static int receive(struct sandbox *s, const char *session, const char *chat_id, const char *body, const char *media,
                   struct sandbox_reply *a) {
    char hex[19];
    struct verdict verdict;
    _cleanup_(buf_done) struct buf recipient = BUF_MAX(256), id = BUF_MAX(512);
    sandbox_append_recipient(&recipient, chat_id);
    sandbox_new_id(s, hex);
    (void) buf_printf(&id, "true_%s_3EB0%s", chat_id, hex);
    if (buf_error(&recipient) || buf_error(&id))
        return write_failure(a, 500, "Evaluation failed: Error: wid error: invalid wid");
    struct chat_arrival arrival = {
        .gateway = CHAT_WEBJS,
        .is_group = text_ends_with(chat_id, "@g.us"),
        .unknown = 500,
        .text = {[CHAT_SENDER] = session, [CHAT_RECIPIENT] = buf_string(&recipient), [CHAT_BODY] = body,
                 [CHAT_MEDIA] = media, [CHAT_MESSAGE_ID] = buf_string(&id)},
    };
    int r = sandbox_receive(s, &arrival, 200, a, &verdict);
    if (r < 0)
        return r;
    if (verdict.status != 0)
        return write_refusal(verdict.status, a);
    r = write_sent(&arrival, chat_id, a);
    if (r >= 0)
        r = sandbox_reply_spoil(a, &verdict);
    return r < 0 ? r : 1;
}

/* What kind of media it is the browser sees from the file; the sandbox, which fetches nothing, from its name. */
static const char *type_of(const struct json_value *root, const char *url) {
    static const struct {
        const char *ending, *type;
    } table[] = {{".mp4", "video"}, {".3gp", "video"}, {".mp3", "audio"}, {".ogg", "audio"}, {".opus", "audio"},
                 {".m4a", "audio"}, {".jpg", "image"}, {".jpeg", "image"}, {".png", "image"}, {".webp", "image"}};
    char path[1024];
    (void) snprintf(path, sizeof(path), "%.*s", (int) strcspn(url, "?"), url);
    for (size_t i = 0; i < ELEMENTSOF(table) && !json_is_true_at(root, "options.sendMediaAsDocument"); i++)
        if (text_ends_with(path, table[i].ending))
            return table[i].type;
    return "document";
}

static int send_media(struct sandbox *s, const struct json_value *root, const char *session, const char *chat_id,
                      struct sandbox_reply *a) {
    const char *url = json_text_at(root, "content"), *caption = json_text_at(root, "options.caption");
    _cleanup_(buf_done) struct buf media = BUF_MAX(CALL_BODY_BYTES_MAX);
    if (!text_is_web_address(url))
        return write_failure(a, 500, "Invalid URL");
    int r = sandbox_write_media(&media, type_of(root, url), url, json_text_at(root, "mediaFromURLOptions.filename"));
    return r < 0 ? r : receive(s, session, chat_id, caption ? caption : "", buf_string(&media), a);
}

static int send_message(struct sandbox *s, const struct call *call, const char *session, struct sandbox_reply *a) {
    _cleanup_(json_freep) struct json *doc = NULL;
    const char *reason;
    int r = json_parse(call->body, call->body_size, &doc, &reason);
    if (r == -EBADMSG)
        return sandbox_reply_page(a, 400, "SyntaxError: Unexpected token in JSON");
    if (r < 0)
        return r;
    const struct json_value *root = json_root(doc);
    const char *type = json_text_at(root, "contentType"), *chat_id = json_text_at(root, "chatId");
    const char *content = json_text_at(root, "content");
    if (behaviour_is_disconnected(s->behaviour, session))
        return write_refusal(404, a);
    bool has_media = type && strcmp(type, "MessageMediaFromURL") == 0;
    if (!type || (!has_media && strcmp(type, "string") != 0))
        return write_failure(a, 400, "invalid contentType");
    /* Trap: nothing is done for a chat's id that is not quite one. */
    if (!chat_id || *chat_id == '+' || !(text_ends_with(chat_id, "@c.us") || text_ends_with(chat_id, "@g.us")))
        return write_failure(a, 500, "Evaluation failed: Error: wid error: invalid wid");
    if (has_media)
        return send_media(s, root, session, chat_id, a);
    return receive(s, session, chat_id, content ? content : "", NULL, a);
}

static int write_status(struct sandbox_reply *a, enum pairing_state state) {
    switch (state) {
    case PAIRING_CONNECTED: return write_said(a, true, "CONNECTED", "session_connected");
    case PAIRING_CLOSED: return write_said(a, false, NULL, "session_not_found");
    case PAIRING_STARTING: return write_said(a, false, NULL, "session_not_connected");
    default: return write_said(a, false, "UNPAIRED", "session_not_connected");
    }
}

static int write_code(struct sandbox *s, const char *session, struct sandbox_reply *a) {
    char code[PAIRING_CODE_BYTES];
    if (pairing_state(s, session, 0) != PAIRING_WAITING || !pairing_code(s, session, code))
        return write_said(a, false, NULL, "qr code not ready or already scanned");
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, 200, JSON_EXPRESS);
    if (!w)
        return -ENOMEM;
    json_write_object(w);
    json_write_key(w, "success");
    json_write_bool(w, true);
    json_write_member(w, "qr", code);
    json_write_object_end(w);
    int r = json_writer_finish(w);
    return r < 0 ? r : 1;
}

/* Trap: what is not connected is told with status 200; and what is there is not started. */
static int session_call(struct sandbox *s, const char *verb, const char *session, struct sandbox_reply *a) {
    enum pairing_state state = pairing_state(s, session, 0);
    bool is_start = strcmp(verb, "start") == 0, is_restart = strcmp(verb, "restart") == 0, is_end = strcmp(verb, "terminate") == 0;
    if (strcmp(verb, "status") == 0 || (state == PAIRING_CLOSED && (is_restart || is_end)))
        return write_status(a, state);
    if (strcmp(verb, "qr") == 0)
        return state == PAIRING_CLOSED ? write_status(a, state) : write_code(s, session, a);
    if (is_start && state != PAIRING_CLOSED)
        return write_failure(a, 422, "Session already exists");
    if (is_start || is_restart) {
        if (state != PAIRING_CONNECTED)
            pairing_start(s, session);
        a->latency_usec = PAIRING_STARTING_USEC; /* it answers when its browser is there */
        return write_said(a, true, NULL, is_start ? "Session initiated successfully" : "Restarted successfully");
    }
    if (!is_end)
        return sandbox_reply_page(a, 404, "Cannot use this path");
    int r = pairing_end(s, session);
    return r < 0 ? r : write_said(a, true, NULL, "Logged out successfully");
}

/* Chats of all kinds. */
static int get_chats(struct sandbox *s, const char *session, struct sandbox_reply *a) {
    if (behaviour_is_disconnected(s->behaviour, session))
        return write_refusal(404, a);
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, 200, JSON_EXPRESS);
    if (!w)
        return -ENOMEM;
    json_write_object(w);
    json_write_key(w, "success");
    json_write_bool(w, true);
    json_write_key(w, "chats");
    json_write_array(w);
    sandbox_write_chat(w, "8801712345678@c.us", "Ada");
    for (const struct sandbox_group *g = sandbox_groups; g->id; g++)
        sandbox_write_chat(w, g->id, g->name);
    json_write_array_end(w);
    json_write_object_end(w);
    int r = json_writer_finish(w);
    return r < 0 ? r : 1;
}

static bool is_session(const char *name) {
    return name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] == '\0';
}

int contract_webjs(struct sandbox *s, const struct call *call, struct sandbox_reply *a) {
    char parts[PATH_PARTS_MAX][PATH_PART_BYTES];
    bool is_post = strcmp(call->method, "POST") == 0, is_send = call_path_matches("/client/sendMessage/*", call->path, parts);
    bool is_chats = !is_send && call_path_matches("/client/getChats/*", call->path, parts);
    if (!is_send && !is_chats && !call_path_matches("/session/*/*", call->path, parts))
        return 0;
    sandbox_reply_header(a, "X-Powered-By", "Express");
    if (is_send != is_post)
        return sandbox_reply_page(a, 404, "Cannot use this path with this method");
    /* Trap: a server without a key takes any, and none. */
    if (s->token && !sandbox_knows_token(s, call->api_key))
        return write_failure(a, 403, "Invalid API key");
    if (!is_session(parts[is_send || is_chats ? 0 : 1]))
        return write_failure(a, 422, "Session should be alphanumerical or -");
    if (is_chats)
        return get_chats(s, parts[0], a);
    return is_send ? send_message(s, call, parts[0], a) : session_call(s, parts[0], parts[1], a);
}
