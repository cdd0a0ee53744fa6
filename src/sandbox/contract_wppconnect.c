/* wppconnect-server 2.10, with the traps that were measured on it: they are marked as such below. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "sandbox/contract.h"
#include "sandbox/pairing.h"

enum { PHONES_MAX = 64, INDIVIDUAL_CHARACTERS_MAX = 14, LOGOUT_USEC = 500 * 1000 };

/* Trap: a code that nobody scans within a minute closes the session. */
#define PATIENCE_USEC (60 * USEC_PER_SEC)

#define SECRET_DEFAULT "THISISMYSECURETOKEN"

static int write_disconnected(struct sandbox_reply *a) {
    return sandbox_reply_flat(a, 404, FLAT("response", NULL, "status", "Disconnected", "message",
                                   "A sessão do WhatsApp não está ativa."));
}

static int write_unknown_number(const char *phone, struct sandbox_reply *a) {
    _cleanup_(buf_done) struct buf message = BUF_MAX(CHATS_TEXT_BYTES_MAX + 64);
    if (buf_printf(&message, "O número %s não existe.", phone) < 0)
        return -ENOMEM;
    return sandbox_reply_flat(a, 400, FLAT("response", NULL, "status", "Connected", "message", buf_string(&message)));
}

static int write_thrown(unsigned status, const char *code, struct sandbox_reply *a) {
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, status, JSON_EXPRESS);
    if (!w)
        return -ENOMEM;
    json_write_object(w);
    json_write_member(w, "status", "Error");
    json_write_member(w, "message", "Erro ao enviar a mensagem.");
    json_write_key(w, "error");
    json_write_object(w);
    if (code)
        json_write_member(w, "code", code);
    json_write_object_end(w);
    json_write_object_end(w);
    int r = json_writer_finish(w);
    return r < 0 ? r : 1;
}

static int write_refusal(const struct verdict *verdict, const char *phone, struct sandbox_reply *a) {
    switch (verdict->status) {
    case 400: return write_unknown_number(phone, a);
    case 401: return sandbox_reply_flat(a, 401, FLAT("error", "Check that the Session and Token are correct"));
    case 404: return write_disconnected(a);
    default: return write_thrown(verdict->status, NULL, a);
    }
}

/* The chat id that the real one makes of a phone. Trap: only '+' is taken out; what is longer than 14 characters becomes an
 * id of another kind, and so does a group without isGroup. */
static void write_chat_id(struct buf *b, const char *phone, bool is_group) {
    phone += *phone == '+';
    int size = (int) strcspn(phone, "@");
    const char *suffix = is_group ? "g.us" : size > INDIVIDUAL_CHARACTERS_MAX ? "lid" : "c.us";
    (void) buf_printf(b, "%.*s@%s", size, phone, suffix);
}

/* A message in response[]. */
static void write_message(struct json_writer *w, const char *id, const char *chat_id, const char *body) {
    json_write_object(w);
    json_write_member(w, "id", id);
    json_write_member(w, "body", body);
    json_write_member(w, "type", "chat");
    json_write_key(w, "t");
    json_write_int(w, (int64_t) (clock_wall_usec() / USEC_PER_SEC));
    json_write_member(w, "from", "8801700000000@c.us");
    json_write_member(w, "to", chat_id);
    json_write_member(w, "chatId", chat_id);
    json_write_key(w, "ack");
    json_write_int(w, 1);
    json_write_key(w, "fromMe");
    json_write_bool(w, true);
    json_write_object_end(w);
}

/* One request on its way through. */
struct sending {
    struct sandbox *s;
    const char *session;
    const char *body;
    const char *media; /* JSON, or NULL */
    bool is_group;
    bool is_exact_type;      /* Content-Type is application/json and no more */
    struct json_writer *w;   /* inside response[]; NULL: out of memory */
    struct verdict verdict;  /* of the last one */
    struct verdict refusal;  /* of the first one refused */
    char refused_phone[256];
};

static int send_one(struct sending *x, const char *phone, struct sandbox_reply *a) {
    char hex[19];
    _cleanup_(buf_done) struct buf chat_id = BUF_MAX(256), recipient = BUF_MAX(256), id = BUF_MAX(512);
    write_chat_id(&chat_id, phone, x->is_group);
    sandbox_append_recipient(&recipient, buf_string(&chat_id));
    sandbox_new_id(x->s, hex);
    (void) buf_printf(&id, "true_%s_3EB0%s", buf_string(&chat_id), hex);
    if (buf_error(&chat_id) || buf_error(&recipient) || buf_error(&id))
        return -EMSGSIZE;
    struct chat_arrival arrival = {
        .gateway = CHAT_WPPCONNECT,
        .is_group = x->is_group,
        .text = {[CHAT_SENDER] = x->session, [CHAT_RECIPIENT] = buf_string(&recipient), [CHAT_BODY] = x->body,
                 [CHAT_MEDIA] = x->media, [CHAT_MESSAGE_ID] = buf_string(&id)},
    };
    int r = sandbox_receive(x->s, &arrival, 201, a, &x->verdict);
    if (r < 0)
        return r;
    if (x->verdict.status == 0)
        write_message(x->w, buf_string(&id), buf_string(&chat_id), x->body);
    else if (x->refusal.status == 0) {
        x->refusal = x->verdict;
        (void) snprintf(x->refused_phone, sizeof(x->refused_phone), "%.*s", (int) strcspn(buf_string(&chat_id), "@"),
                        buf_string(&chat_id));
    }
    return 0;
}

/* Numbers in one text are parted by ',' or ';'. */
static int send_list(struct sending *x, const char *phones, size_t *count, struct sandbox_reply *a) {
    while (*phones) {
        size_t size = strcspn(phones, ",;");
        char phone[128];
        if (size >= sizeof(phone) || *count == PHONES_MAX)
            return -EMSGSIZE;
        memcpy(phone, phones, size);
        phone[size] = '\0';
        if (size > 0) {
            (*count)++;
            int r = send_one(x, phone, a);
            if (r < 0)
                return r;
        }
        phones += size + (phones[size] != '\0');
    }
    return 0;
}

/* Trap: of several numbers the good ones are sent although the answer to a bad one among them is 400. */
static int send_all(struct sending *x, const struct json_value *phone, struct sandbox_reply *a) {
    size_t count = 0;
    x->w = sandbox_reply_json(a, 201, JSON_EXPRESS);
    _cleanup_(json_writer_freep) struct json_writer *w = x->w;
    if (!w)
        return -ENOMEM;
    json_write_object(w);
    json_write_member(w, "status", "success");
    json_write_key(w, "response");
    json_write_array(w);
    int r = 0;
    if (phone && json_type(phone) == JSON_STRING)
        r = send_list(x, json_text(phone), &count, a);
    else
        for (const struct json_value *v = json_first(phone); v && r >= 0; v = json_next(v))
            r = json_text(v) ? send_list(x, json_text(v), &count, a) : 0;
    if (r == -EMSGSIZE)
        return write_thrown(500, NULL, a);
    if (r < 0)
        return r;
    json_write_array_end(w);
    json_write_member(w, "mapper", "return");
    if (x->is_exact_type)
        json_write_member(w, "session", x->session);
    json_write_object_end(w);
    r = json_writer_finish(w);
    if (r < 0)
        return r;
    if (x->refusal.status != 0)
        return write_refusal(&x->refusal, x->refused_phone, a);
    /* Trap: no phone is a success with nothing in it, or an error, by the spelling of Content-Type. */
    if (count == 0 && !x->is_exact_type)
        return sandbox_reply_flat(a, 400, FLAT("status", "error", "message", "Error sending message"));
    r = sandbox_reply_spoil(a, &x->verdict);
    return r < 0 ? r : 1;
}

/* What the real one makes of a path or the content itself. Trap: another path is a file of the server's. */
static int read_media(const struct json_value *root, struct buf *ret) {
    const char *path = json_text_at(root, "path"), *type = json_text_at(root, "options.type");
    if (!text_is_web_address(path))
        return -ENOENT;
    return sandbox_write_media(ret, type ? type : "document", path, json_text_at(root, "filename"));
}

static int send_message(struct sandbox *s, const struct call *call, const char *session, bool has_media, struct sandbox_reply *a) {
    _cleanup_(json_freep) struct json *doc = NULL;
    const char *reason;
    int r = json_parse(call->body, call->body_size, &doc, &reason);
    if (r == -EBADMSG)
        return sandbox_reply_page(a, 400, "SyntaxError: Unexpected token in JSON");
    if (r < 0)
        return r;
    const struct json_value *root = json_root(doc), *phone = json_at(root, "phone");
    const char *body = json_text_at(root, "message"), *caption = json_text_at(root, "caption");
    _cleanup_(buf_done) struct buf media = BUF_MAX(CALL_BODY_BYTES_MAX);
    bool is_number = phone && json_type(phone) == JSON_NUMBER;
    if (behaviour_is_disconnected(s->behaviour, session) || is_number) /* trap: a number is taken for a lost session */
        return write_disconnected(a);
    if (has_media && !json_at(root, "path") && !json_at(root, "base64")) /* trap: a status for something else */
        return sandbox_reply_flat(a, 401, FLAT("message", "Sending the file is mandatory"));
    r = has_media ? read_media(root, &media) : 0;
    if (r < 0)
        return r == -ENOENT ? write_thrown(500, "empty_file", a) : r;
    if (!body && has_media)
        body = caption;
    struct sending x = {.s = s, .session = session, .body = body ? body : "", .media = has_media ? buf_string(&media) : NULL,
                        .is_group = json_is_true_at(root, "isGroup"),
                        .is_exact_type = call->content_type && strcasecmp(call->content_type, "application/json") == 0};
    return send_all(&x, phone, a);
}

static int list_chats(const struct call *call, struct sandbox_reply *a) {
    _cleanup_(json_freep) struct json *doc = NULL;
    const char *reason;
    int r = json_parse(call->body, call->body_size, &doc, &reason);
    if (r == -EBADMSG)
        return sandbox_reply_page(a, 400, "SyntaxError: Unexpected token in JSON");
    if (r < 0)
        return r;
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, 200, JSON_EXPRESS);
    if (!w)
        return -ENOMEM;
    json_write_array(w);
    if (!json_is_true_at(json_root(doc), "onlyGroups"))
        sandbox_write_chat(w, "8801712345678@c.us", "Ada");
    for (const struct sandbox_group *g = sandbox_groups; g->id; g++)
        sandbox_write_chat(w, g->id, g->name);
    json_write_array_end(w);
    r = json_writer_finish(w);
    return r < 0 ? r : 1;
}

static int generate_token(struct sandbox *s, const char *session, const char *secret, struct sandbox_reply *a) {
    if (strcmp(secret, SECRET_DEFAULT) != 0 && !(s->token && strcmp(secret, s->token) == 0)) {
        sandbox_reply_text(a, 400, JSON_EXPRESS, "{\"response\":false,\"message\":\"The SECRET_KEY is incorrect\"}");
        return 1;
    }
    _cleanup_(buf_done) struct buf token = BUF_MAX(2048), full = BUF_MAX(4096);
    char id[19];
    sandbox_new_id(s, id);
    if (s->token)
        (void) buf_append_string(&token, s->token);
    else
        (void) buf_printf(&token, "$2b$10$sandbox%s", id);
    (void) buf_printf(&full, "%s:%s", session, buf_string(&token));
    return sandbox_reply_flat(a, 201, FLAT("status", "success", "session", session, "token", buf_string(&token), "full",
                                   buf_string(&full)));
}

static int write_healthz(struct sandbox *s, const struct call *call, struct sandbox_reply *a) {
    /* Trap: with exactly this header the real one never answers. */
    if (call->content_type && strcmp(call->content_type, "application/json") == 0)
        a->manner = MANNER_HANG;
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, 200, JSON_EXPRESS);
    if (!w)
        return -ENOMEM;
    json_write_object(w);
    json_write_key(w, "uptime");
    json_write_int(w, (int64_t) ((clock_monotonic_usec() - s->started_usec) / USEC_PER_SEC));
    json_write_member(w, "message", "OK");
    json_write_key(w, "timestamp");
    json_write_int(w, (int64_t) (clock_wall_usec() / USEC_PER_MSEC));
    json_write_object_end(w);
    int r = json_writer_finish(w);
    return r < 0 ? r : 1;
}

static const char *status_of(enum pairing_state state) {
    static const char *const names[] = {[PAIRING_CONNECTED] = "CONNECTED", [PAIRING_CLOSED] = "CLOSED",
                                        [PAIRING_STARTING] = "INITIALIZING", [PAIRING_WAITING] = "QRCODE"};
    return names[state];
}

/* Trap: the code stays there when it was scanned long ago. */
static int write_status(struct sandbox *s, const char *session, struct sandbox_reply *a) {
    enum pairing_state state = pairing_state(s, session, PATIENCE_USEC);
    char code[PAIRING_CODE_BYTES];
    if (state != PAIRING_CLOSED && pairing_code(s, session, code))
        return sandbox_reply_flat(a, 200, FLAT("status", status_of(state), "qrcode", SANDBOX_IMAGE, "urlcode", code, "version",
                                               "2.10.4"));
    return sandbox_reply_flat(a, 200, FLAT("status", status_of(state), "qrcode", NULL, "version", "2.10.4"));
}

/* It answers how it was before. */
static int start_session(struct sandbox *s, const char *session, struct sandbox_reply *a) {
    int r = write_status(s, session, a);
    if (pairing_state(s, session, PATIENCE_USEC) == PAIRING_CLOSED)
        pairing_start(s, session);
    return r;
}

static int logout_session(struct sandbox *s, const char *session, struct sandbox_reply *a) {
    if (pairing_state(s, session, PATIENCE_USEC) != PAIRING_CONNECTED)
        return write_disconnected(a);
    int r = pairing_end(s, session);
    if (r < 0)
        return r;
    sandbox_reply_text(a, 200, JSON_EXPRESS, "{\"status\":true,\"message\":\"Session successfully closed\"}");
    a->latency_usec = LOGOUT_USEC;
    return 1;
}

static int session_call(struct sandbox *s, const struct call *call, const char *session, const char *verb,
                        struct sandbox_reply *a) {
    bool is_post = strcmp(call->method, "POST") == 0, is_away = behaviour_is_disconnected(s->behaviour, session);
    const char *token = call_bearer(call);
    if (!token)
        return sandbox_reply_flat(a, 401, FLAT("message", "Token is not present. Check your header and try again"));
    if (!sandbox_knows_token(s, token))
        return sandbox_reply_flat(a, 401, FLAT("error", "Check that the Session and Token are correct"));
    bool has_media = strcmp(verb, "send-image") == 0 || strcmp(verb, "send-file") == 0;
    if (is_post && (has_media || strcmp(verb, "send-message") == 0))
        return send_message(s, call, session, has_media, a);
    if (is_post && strcmp(verb, "list-chats") == 0)
        return is_away ? write_disconnected(a) : list_chats(call, a);
    if (is_post && strcmp(verb, "start-session") == 0)
        return start_session(s, session, a);
    if (is_post && strcmp(verb, "logout-session") == 0)
        return logout_session(s, session, a);
    if (!is_post && strcmp(verb, "status-session") == 0)
        return write_status(s, session, a);
    if (!is_post && strcmp(verb, "check-connection-session") == 0) {
        sandbox_reply_text(a, 200, JSON_EXPRESS,
                    is_away ? "{\"status\":false,\"message\":\"Disconnected\"}"
                            : "{\"status\":true,\"message\":\"Connected\"}");
        return 1;
    }
    return sandbox_reply_page(a, 404, "Cannot use this path with this method");
}

int contract_wppconnect(struct sandbox *s, const struct call *call, struct sandbox_reply *a) {
    char parts[PATH_PARTS_MAX][PATH_PART_BYTES];
    bool is_health = strcmp(call->path, "/healthz") == 0;
    if (!is_health && strncmp(call->path, "/api/", 5) != 0)
        return 0;
    sandbox_reply_header(a, "X-Powered-By", "Express");
    if (is_health)
        return write_healthz(s, call, a);
    if (call_path_matches("/api/*/*/generate-token", call->path, parts) && strcmp(call->method, "POST") == 0)
        return generate_token(s, parts[0], parts[1], a);
    if (call_path_matches("/api/*/*", call->path, parts))
        return session_call(s, call, parts[0], parts[1], a);
    return sandbox_reply_page(a, 404, "Cannot use this path");
}
