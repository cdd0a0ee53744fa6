/* Webhook gateways: a small server before a browser (POST /send-message), and a workflow of n8n (POST /webhook/PATH), which
 * takes any JSON. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "sandbox/contract.h"

#define MINIMAL "minimal" /* how behaviours call the small server: it has no sessions */

static const char *text_of(const struct json_value *root, const char *const *names) {
    for (; *names; names++)
        if (json_text_at(root, *names))
            return json_text_at(root, *names);
    return NULL;
}

/* What a person reads as the recipient: digits get their '+', and so do chat ids of one person. */
static void write_recipient(struct buf *b, const char *phone) {
    const char *bare = phone + (*phone == '+');
    size_t digits = strspn(bare, "0123456789");
    if (digits >= 7 && digits <= 15 && (!bare[digits] || strcmp(bare + digits, "@c.us") == 0))
        (void) buf_printf(b, "+%.*s", (int) digits, bare);
    else
        (void) buf_append_string(b, phone);
}

/* Media, as far as any JSON tells of them: what is a web address under a name that says so. */
static const char *media_of(const struct json_value *root) {
    const char *url = text_of(root, (const char *const[]) {"media", "media_url", "url", "file", "image", NULL});
    return text_is_web_address(url) ? url : NULL;
}

static int receive(struct sandbox *s, const struct json_value *root, const char *sender, const char *body,
                   const char *message_id, struct sandbox_reply *a, struct verdict *ret) {
    const char *phone = text_of(root, (const char *const[]) {"phone", "to", "recipient", "number", "chatId", "target", NULL});
    _cleanup_(buf_done) struct buf recipient = BUF_MAX(CHATS_TEXT_BYTES_MAX);
    write_recipient(&recipient, phone ? phone : "");
    _cleanup_(buf_done) struct buf media = BUF_MAX(CALL_BODY_BYTES_MAX);
    const char *type = text_of(root, (const char *const[]) {"type", "media_type", NULL}), *url = media_of(root);
    int r = buf_error(&recipient);
    if (r >= 0 && url)
        r = sandbox_write_media(&media, type ? type : "media", url, json_text_at(root, "filename"));
    if (r < 0)
        return r;
    struct chat_arrival arrival = {
        .gateway = CHAT_WEBHOOK,
        .is_group = json_is_true_at(root, "isGroup") || text_ends_with(buf_string(&recipient), "@g.us"),
        .text = {[CHAT_SENDER] = sender, [CHAT_RECIPIENT] = buf_string(&recipient), [CHAT_BODY] = body,
                 [CHAT_MEDIA] = url ? buf_string(&media) : NULL, [CHAT_MESSAGE_ID] = message_id,
                 [CHAT_KEY] = text_of(root, (const char *const[]) {"key", "id", NULL})},
    };
    return sandbox_receive(s, &arrival, 200, a, ret);
}

static int write_failure(unsigned status, const char *error, bool has_qr, struct sandbox_reply *a) {
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, status, JSON_EXPRESS);
    if (!w)
        return -ENOMEM;
    json_write_object(w);
    json_write_key(w, "success");
    json_write_bool(w, false);
    json_write_member(w, "error", error);
    if (has_qr)
        json_write_member(w, "qrCode", NULL);
    json_write_object_end(w);
    int r = json_writer_finish(w);
    return r < 0 ? r : 1;
}

static const char *reason_of(unsigned status) {
    switch (status) {
    case 400: return "The number is not registered on WhatsApp";
    case 401:
    case 403: return "Invalid API key";
    case 429: return "Too many requests, please try again later.";
    case 503: return "WhatsApp client not ready";
    default: return "Failed to send message";
    }
}

static int write_sent(const char *message_id, struct sandbox_reply *a) {
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, 200, JSON_EXPRESS);
    if (!w)
        return -ENOMEM;
    json_write_object(w);
    json_write_key(w, "success");
    json_write_bool(w, true);
    json_write_member(w, "messageId", message_id);
    json_write_key(w, "timestamp");
    json_write_int(w, (int64_t) (clock_wall_usec() / USEC_PER_SEC));
    json_write_object_end(w);
    return json_writer_finish(w);
}

static int minimal_send(struct sandbox *s, const struct call *call, struct sandbox_reply *a) {
    _cleanup_(json_freep) struct json *doc = NULL;
    const char *reason;
    int r = json_parse(call->body, call->body_size, &doc, &reason);
    if (r < 0 && r != -EBADMSG)
        return r;
    const struct json_value *root = doc ? json_root(doc) : NULL;
    const char *phone = json_text_at(root, "phone"), *message = json_text_at(root, "message");
    if (!phone || !*phone || !message || !*message)
        return write_failure(400, "Phone and message are required", false, a);
    if (behaviour_is_disconnected(s->behaviour, MINIMAL))
        return write_failure(503, reason_of(503), true, a);
    char hex[19];
    struct verdict verdict;
    _cleanup_(buf_done) struct buf id = BUF_MAX(512);
    sandbox_new_id(s, hex);
    const char *bare = phone + (*phone == '+');
    if (buf_printf(&id, "true_%.*s@c.us_3EB0%s", (int) strspn(bare, "0123456789"), bare, hex) < 0)
        return write_failure(400, reason_of(400), false, a);
    r = receive(s, root, MINIMAL, message, buf_string(&id), a, &verdict);
    if (r == -EMSGSIZE)
        return write_failure(400, reason_of(400), false, a);
    if (r < 0)
        return r;
    if (verdict.status != 0)
        return write_failure(verdict.status, reason_of(verdict.status), verdict.status == 503, a);
    r = write_sent(buf_string(&id), a);
    if (r >= 0)
        r = sandbox_reply_spoil(a, &verdict);
    return r < 0 ? r : 1;
}

static int write_n8n_error(unsigned status, const char *message, const char *hint, struct sandbox_reply *a) {
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, status, JSON_EXPRESS);
    if (!w)
        return -ENOMEM;
    json_write_object(w);
    json_write_key(w, "code");
    json_write_int(w, status);
    json_write_member(w, "message", message);
    if (hint)
        json_write_member(w, "hint", hint);
    json_write_object_end(w);
    int r = json_writer_finish(w);
    return r < 0 ? r : 1;
}

static int workflow_unknown(const struct call *call, const char *path, struct sandbox_reply *a) {
    bool is_post = strcmp(call->method, "POST") == 0;
    _cleanup_(buf_done) struct buf message = BUF_MAX(1024);
    if (is_post)
        (void) buf_printf(&message, "The requested webhook \"POST %s\" is not registered.", path);
    else
        (void) buf_printf(&message, "This webhook is not registered for %s requests. Did you mean to make a POST request?",
                          call->method);
    if (buf_error(&message))
        return -ENOMEM;
    return write_n8n_error(404, buf_string(&message),
                           is_post ? "The workflow must be active for a production URL to run successfully." : NULL, a);
}

static int workflow_start(struct sandbox *s, const struct call *call, const char *path, struct sandbox_reply *a) {
    if (strcmp(call->method, "POST") != 0 || behaviour_is_disconnected(s->behaviour, path))
        return workflow_unknown(call, path, a);
    _cleanup_(json_freep) struct json *doc = NULL;
    const char *reason;
    int r = json_parse(call->body, call->body_size, &doc, &reason);
    if (r == -EBADMSG)
        return write_n8n_error(422, "Failed to parse request body", NULL, a);
    if (r < 0)
        return r;
    const struct json_value *root = json_root(doc);
    const char *body = text_of(root, (const char *const[]) {"message", "text", "body", "content", NULL});
    struct verdict verdict;
    if (!body)
        body = media_of(root) ? "" : call->body;
    r = receive(s, root, path, body, "", a, &verdict);
    if (r == -EMSGSIZE)
        return write_n8n_error(413, "A field of the request is too long", NULL, a);
    if (r < 0)
        return r;
    if (verdict.status != 0)
        return write_n8n_error(verdict.status, verdict.status == 429 ? "Too many requests" : "Workflow could not be started",
                               NULL, a);
    sandbox_reply_text(a, 200, JSON_EXPRESS, "{\"message\":\"Workflow was started\"}");
    r = sandbox_reply_spoil(a, &verdict);
    return r < 0 ? r : 1;
}

int contract_webhook(struct sandbox *s, const struct call *call, struct sandbox_reply *a) {
    char parts[PATH_PARTS_MAX][PATH_PART_BYTES];
    bool is_post = strcmp(call->method, "POST") == 0;
    if (call_path_matches("/webhook/**", call->path, parts))
        return workflow_start(s, call, parts[0], a);
    if (call_path_matches("/webhook-test/**", call->path, parts))
        return workflow_unknown(call, parts[0], a);
    if (strcmp(call->path, "/send-message") == 0 && is_post)
        return minimal_send(s, call, a);
    if (strcmp(call->path, "/health") == 0 && !is_post) {
        bool is_away = behaviour_is_disconnected(s->behaviour, MINIMAL);
        sandbox_reply_text(a, 200, JSON_EXPRESS, is_away ? "{\"status\":\"not_ready\"}" : "{\"status\":\"ready\"}");
        return 1;
    }
    return 0;
}
