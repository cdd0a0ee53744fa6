/* What people and tests see: the page, the messages, and the behaviour. Requests must come from here: a page of another site
 * must neither read the messages nor change the behaviour, not by its own script and not by a name that leads here. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/embedded.h"
#include "base/parse.h"
#include "sandbox/contract.h"
#include "sandbox/pairing.h"

enum {
    MESSAGES_BYTES_MAX = 32 * 1024 * 1024, /* then the answer says that there is more */
    CHANGES_MAX = 1000,                    /* in one answer of the stream; older changes are left out */
};

#define PAGE_PATH "src/sandbox/page.html"
#define SAMPLE_PATH "src/sandbox/sample.png"
#define NONCE_MARK "@NONCE@"

static int write_problem(struct sandbox_reply *a, unsigned status, const char *text) {
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, status, JSON_PLAIN);
    if (!w)
        return -ENOMEM;
    json_write_object(w);
    json_write_member(w, "error", text);
    json_write_object_end(w);
    int r = json_writer_finish(w);
    return r < 0 ? r : 1;
}

/* The host part of a Host header, without port and brackets. */
static bool host_of(const char *header, char *ret, size_t size) {
    bool is_bracketed = *header == '[';
    header += is_bracketed;
    size_t length = strcspn(header, is_bracketed ? "]" : ":");
    if (length == 0 || length >= size)
        return false;
    memcpy(ret, header, length);
    ret[length] = '\0';
    return true;
}

/* An address can't be rebound, a name can; so only addresses, and the one name that never leaves the machine. */
static bool is_host_ours(const struct sandbox *s, const char *header) {
    char host[128];
    struct in_addr v4;
    struct in6_addr v6;
    if (!header || !host_of(header, host, sizeof(host)))
        return false;
    if (strcasecmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return !s->is_loopback || (ntohl(v4.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, host, &v6) == 1 && (!s->is_loopback || IN6_IS_ADDR_LOOPBACK(&v6));
}

static bool is_origin_ours(const struct call *call) {
    if (call->fetch_site && strcmp(call->fetch_site, "same-origin") != 0 && strcmp(call->fetch_site, "none") != 0)
        return false;
    if (!call->origin)
        return true;
    return call->host && strncmp(call->origin, "http://", 7) == 0 && strcasecmp(call->origin + 7, call->host) == 0;
}

/* Wall clock, local time with milliseconds and zone: 2026-11-20T23:26:01.123+06:00. */
static void write_time(struct json_writer *w, uint64_t usec) {
    time_t sec = (time_t) (usec / USEC_PER_SEC);
    struct tm tm;
    char text[64], day[40], zone[8];
    if (!localtime_r(&sec, &tm) || strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm) == 0 ||
        strftime(zone, sizeof(zone), "%z", &tm) != 5) {
        json_write_null(w);
        return;
    }
    (void) snprintf(text, sizeof(text), "%s.%03u%.3s:%s", day, (unsigned) (usec / USEC_PER_MSEC % 1000), zone, zone + 3);
    json_write_string(w, text);
}

static int write_document(struct json_writer *w, const char *key, const char *text) {
    json_write_key(w, key);
    if (!text) {
        json_write_null(w);
        return 0;
    }
    _cleanup_(json_freep) struct json *doc = NULL;
    const char *reason;
    int r = json_parse(text, strlen(text), &doc, &reason);
    if (r < 0)
        return r;
    json_write_value(w, json_root(doc), NULL, NULL);
    return 0;
}

static int write_chat(struct json_writer *w, const struct chat *m) {
    json_write_object(w);
    json_write_key(w, "seq");
    json_write_int(w, (int64_t) m->seq);
    json_write_key(w, "received_at");
    write_time(w, m->received_usec);
    json_write_key(w, "received_usec");
    json_write_int(w, (int64_t) m->received_usec);
    json_write_member(w, "gateway", chat_gateway_to_string(m->gateway));
    json_write_member(w, "sender", chat_text(m, CHAT_SENDER));
    json_write_member(w, "recipient", chat_text(m, CHAT_RECIPIENT));
    json_write_member(w, "kind", m->is_group ? "group" : "individual");
    json_write_member(w, "body", chat_text(m, CHAT_BODY));
    json_write_member(w, "message_id", chat_text(m, CHAT_MESSAGE_ID));
    json_write_member(w, "opaque", chat_text(m, CHAT_OPAQUE));
    int r = write_document(w, "template", chat_text(m, CHAT_TEMPLATE));
    if (r >= 0)
        r = write_document(w, "media", chat_text(m, CHAT_MEDIA));
    json_write_key(w, "copies");
    json_write_int(w, m->copies);
    json_write_key(w, "answered");
    json_write_int(w, m->answered);
    json_write_key(w, "refused");
    json_write_bool(w, m->is_refused);
    json_write_key(w, "code");
    json_write_int(w, m->code);
    json_write_object_end(w);
    return r;
}

static void write_figures(struct json_writer *w, const struct chats *chats) {
    struct chats_figures f = chats_figures(chats);
    json_write_key(w, "received");
    json_write_int(w, (int64_t) f.received);
    json_write_key(w, "duplicates");
    json_write_int(w, (int64_t) f.duplicates);
    json_write_key(w, "refused");
    json_write_int(w, (int64_t) f.refused);
}

/* A '+' in a query means a space, and people write it all the same. */
static bool is_recipient(const struct chat *m, const char *asked) {
    return !asked || recipient_is_same(chat_text(m, CHAT_RECIPIENT), asked + (*asked == ' '));
}

static int parse_number(const char *text, uint64_t fallback, uint64_t *ret) {
    int64_t number = (int64_t) fallback;
    if (text && parse_int(text, 0, INT64_MAX, &number) < 0)
        return -EINVAL;
    *ret = (uint64_t) number;
    return 0;
}

static int get_messages(struct sandbox *s, const struct call *call, struct sandbox_reply *a) {
    uint64_t after;
    bool with_refused = false, has_more = false;
    if (parse_number(call->after, 0, &after) < 0)
        return write_problem(a, 400, "\"after\" must be a sequence number");
    if (call->refused && parse_bool(call->refused, &with_refused) < 0)
        return write_problem(a, 400, "\"refused\" must be true or false");
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, 200, JSON_PLAIN);
    if (!w)
        return -ENOMEM;
    json_write_object(w);
    json_write_key(w, "messages");
    json_write_array(w);
    for (const struct chat *m = chats_after(s->chats, after); m; m = chats_after(s->chats, m->seq)) {
        if ((m->is_refused && !with_refused) || !is_recipient(m, call->recipient))
            continue;
        if (a->body.size > MESSAGES_BYTES_MAX) {
            has_more = true;
            break;
        }
        int r = write_chat(w, m);
        if (r < 0)
            return r;
    }
    json_write_array_end(w);
    write_figures(w, s->chats);
    json_write_key(w, "more");
    json_write_bool(w, has_more);
    json_write_object_end(w);
    int r = json_writer_finish(w);
    return r < 0 ? r : 1;
}

/* What changed since the revision; waits for it where nothing did. */
static int get_stream(struct sandbox *s, const struct call *call, struct sandbox_reply *a) {
    struct chats_figures f = chats_figures(s->chats);
    uint64_t after, generation;
    if (parse_number(call->after, 0, &after) < 0 || parse_number(call->generation, f.generation, &generation) < 0)
        return write_problem(a, 400, "\"after\" and \"generation\" must be numbers");
    bool is_other = generation != f.generation || after > f.revision; /* cleared, or another sandbox than before */
    const struct chat *m = chats_changed_after(s->chats, is_other ? 0 : after, CHANGES_MAX);
    if (!m && !is_other && call->after)
        a->manner = MANNER_WAIT;
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, 200, JSON_PLAIN);
    if (!w)
        return -ENOMEM;
    uint64_t revision = is_other ? f.revision : after;
    json_write_object(w);
    json_write_key(w, "messages");
    json_write_array(w);
    for (; m && a->body.size <= MESSAGES_BYTES_MAX; m = chats_next_change(s->chats, m)) {
        int r = write_chat(w, m);
        if (r < 0)
            return r;
        revision = m->revision;
    }
    json_write_array_end(w);
    write_figures(w, s->chats);
    json_write_key(w, "revision");
    json_write_int(w, (int64_t) revision);
    json_write_key(w, "generation");
    json_write_int(w, (int64_t) f.generation);
    json_write_object_end(w);
    int r = json_writer_finish(w);
    return r < 0 ? r : 1;
}

static int get_sessions(struct sandbox *s, const struct call *call, struct sandbox_reply *a) {
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, 200, JSON_PLAIN);
    const char *session;
    if (!w)
        return -ENOMEM;
    json_write_object(w);
    json_write_key(w, "sessions");
    json_write_array(w);
    for (size_t i = 0; (session = behaviour_disconnected(s->behaviour, i)); i++) {
        char code[PAIRING_CODE_BYTES];
        bool has_code = pairing_code(s, session, code);
        json_write_object(w);
        json_write_member(w, "session", session);
        json_write_member(w, "state", pairing_state_to_string(pairing_state(s, session, 0)));
        json_write_member(w, "code", has_code ? code : NULL);
        json_write_object_end(w);
    }
    json_write_array_end(w);
    json_write_object_end(w);
    int r = json_writer_finish(w);
    return r < 0 ? r : 1;
}

static int scan(struct sandbox *s, const struct call *call, struct sandbox_reply *a) {
    _cleanup_(json_freep) struct json *doc = NULL;
    const char *reason;
    int r = json_parse(call->body, call->body_size, &doc, &reason);
    if (r < 0 && r != -EBADMSG)
        return r;
    const char *session = r < 0 ? NULL : json_text_at(json_root(doc), "session");
    if (!session)
        return write_problem(a, 400, "say which one: {\"session\": \"NAME\"}, and \"code\" where it must be that code");
    r = pairing_scan(s, session, json_text_at(json_root(doc), "code"));
    if (r == -ENOENT)
        return write_problem(a, 409, "that session shows no QR code; it must be disconnected, and started by its gateway");
    if (r == -ESTALE)
        return write_problem(a, 409, "that is not the QR code that the session shows now");
    return r < 0 ? r : sandbox_reply_flat(a, 200, FLAT("session", session, "state", "connected"));
}

static int write_behaviour(struct sandbox *s, struct sandbox_reply *a) {
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, 200, JSON_PLAIN);
    if (!w)
        return -ENOMEM;
    behaviour_write(s->behaviour, w);
    int r = json_writer_finish(w);
    return r < 0 ? r : 1;
}

static int take_behaviour(struct sandbox *s, struct behaviour *b, struct sandbox_reply *a) {
    behaviour_free(s->behaviour);
    s->behaviour = b;
    pairings_clear(s->pairings);
    return write_behaviour(s, a);
}

static int put_behaviour(struct sandbox *s, const struct call *call, struct sandbox_reply *a) {
    _cleanup_(buf_done) struct buf error = BUF_MAX(4096);
    struct behaviour *b;
    int r = behaviour_parse(call->body, call->body_size, &b, &error);
    if (r == -EINVAL)
        return write_problem(a, 400, buf_string(&error));
    if (r < 0)
        return r;
    return take_behaviour(s, b, a);
}

static int reset_behaviour(struct sandbox *s, struct sandbox_reply *a) {
    struct behaviour *b;
    int r = behaviour_new(&b);
    return r < 0 ? r : take_behaviour(s, b, a);
}

static int clear_messages(struct sandbox *s, struct sandbox_reply *a) {
    chats_clear(s->chats);
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, 200, JSON_PLAIN);
    if (!w)
        return -ENOMEM;
    json_write_object(w);
    write_figures(w, s->chats);
    json_write_object_end(w);
    int r = json_writer_finish(w);
    return r < 0 ? r : 1;
}

/* The page, with a nonce of its own each time: nothing that a message might smuggle in has it. */
static int get_page(struct sandbox_reply *a) {
    const struct embedded_file *page = embedded_find(PAGE_PATH);
    if (!page)
        return write_problem(a, 500, "this build has no page");
    char nonce[33];
    (void) snprintf(nonce, sizeof(nonce), "%016llx%016llx", (unsigned long long) random_u64(),
                    (unsigned long long) random_u64());
    sandbox_reply_text(a, 200, "text/html; charset=utf-8", "");
    const char *at = page->data;
    for (const char *mark; (mark = strstr(at, NONCE_MARK)); at = mark + strlen(NONCE_MARK)) {
        (void) buf_append(&a->body, at, (size_t) (mark - at));
        (void) buf_append_string(&a->body, nonce);
    }
    (void) buf_append_string(&a->body, at);
    sandbox_reply_header(a, "Content-Security-Policy",
                  "default-src 'none'; script-src 'nonce-%s'; style-src 'nonce-%s'; connect-src 'self'; img-src 'self' data:; "
                  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
                  nonce, nonce);
    sandbox_reply_header(a, "Referrer-Policy", "no-referrer");
    sandbox_reply_header(a, "X-Frame-Options", "DENY");
    int r = buf_error(&a->body);
    return r < 0 ? r : 1;
}

struct route {
    const char *path, *method;
    int (*serve)(struct sandbox *s, const struct call *call, struct sandbox_reply *a);
};

/* A picture to send, for who has none at hand. */
static int serve_sample(struct sandbox *s, const struct call *call, struct sandbox_reply *a) {
    const struct embedded_file *sample = embedded_find(SAMPLE_PATH);
    if (!sample)
        return write_problem(a, 500, "this build has no picture");
    sandbox_reply_text(a, 200, "image/png", "");
    int r = buf_append(&a->body, sample->data, sample->size);
    return r < 0 ? r : 1;
}

static int serve_page(struct sandbox *s, const struct call *call, struct sandbox_reply *a) {
    return get_page(a);
}

static int serve_clear(struct sandbox *s, const struct call *call, struct sandbox_reply *a) {
    return clear_messages(s, a);
}

static int serve_behaviour(struct sandbox *s, const struct call *call, struct sandbox_reply *a) {
    return write_behaviour(s, a);
}

static int serve_reset(struct sandbox *s, const struct call *call, struct sandbox_reply *a) {
    return reset_behaviour(s, a);
}

static const struct route routes[] = {
    {"/", "GET", serve_page},
    {"/sandbox/sample.png", "GET", serve_sample},
    {"/sandbox/messages", "GET", get_messages},
    {"/sandbox/messages", "DELETE", serve_clear},
    {"/sandbox/stream", "GET", get_stream},
    {"/sandbox/behaviour", "GET", serve_behaviour},
    {"/sandbox/behaviour", "PUT", put_behaviour},
    {"/sandbox/behaviour", "DELETE", serve_reset},
    {"/sandbox/sessions", "GET", get_sessions},
    {"/sandbox/scan", "POST", scan},
};

static int refuse(struct sandbox_reply *a, const char *why) {
    sandbox_reply_header(a, "Cache-Control", "no-store");
    sandbox_reply_header(a, "X-Content-Type-Options", "nosniff");
    sandbox_reply_header(a, "Cross-Origin-Resource-Policy", "same-origin");
    return write_problem(a, 403, why);
}

/* One that listens elsewhere too may be called by a name of its network, as in a set of containers, but not for its page. */
int control_refuse(struct sandbox *s, const struct call *call, struct sandbox_reply *a) {
    bool may_be_named = !s->is_loopback && strcmp(call->path, "/") != 0 && strncmp(call->path, "/sandbox/", 9) != 0;

    if (!may_be_named && !is_host_ours(s, call->host))
        return refuse(a, "the Host of the request is neither localhost nor an address of this sandbox");
    /* A link from elsewhere may open the page, which shows nothing by itself; all else must come from it, or from no page. */
    if (strcmp(call->path, "/") != 0 && !is_origin_ours(call))
        return refuse(a, "the request comes from a page of another origin");
    return 0;
}

int control_answer(struct sandbox *s, const struct call *call, struct sandbox_reply *a) {
    bool is_known_path = false;
    sandbox_reply_header(a, "Cache-Control", "no-store");
    sandbox_reply_header(a, "X-Content-Type-Options", "nosniff");
    sandbox_reply_header(a, "Cross-Origin-Resource-Policy", "same-origin");
    for (size_t i = 0; i < ELEMENTSOF(routes); i++) {
        if (strcmp(routes[i].path, call->path) != 0)
            continue;
        is_known_path = true;
        if (strcmp(routes[i].method, call->method) == 0)
            return routes[i].serve(s, call, a);
    }
    if (is_known_path)
        return write_problem(a, 405, "this path does not take this method");
    return write_problem(a, 404, "no such path; the sandbox serves /, /sandbox/messages, /sandbox/behaviour, and the paths of "
                                 "the gateways: pgherald sandbox --help lists them");
}
