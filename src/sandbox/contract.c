#include "sandbox/contract.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

enum { HUGE_BYTES = 16 * 1024 * 1024, DEEP_LEVELS = 200000 };

void sandbox_reply_init(struct sandbox_reply *a) {
    *a = (struct sandbox_reply) {.body = BUF_MAX(ANSWER_BYTES_MAX)};
}

void sandbox_reply_done(struct sandbox_reply *a) {
    buf_done(&a->body);
}

struct json_writer *sandbox_reply_json(struct sandbox_reply *a, unsigned status, const char *content_type) {
    a->status = status;
    a->content_type = content_type;
    buf_clear(&a->body);
    return json_writer_new(&a->body);
}

void sandbox_reply_text(struct sandbox_reply *a, unsigned status, const char *content_type, const char *text) {
    a->status = status;
    a->content_type = content_type;
    buf_clear(&a->body);
    (void) buf_append_string(&a->body, text);
}

void sandbox_reply_header(struct sandbox_reply *a, const char *name, const char *format, ...) {
    if (a->header_count == SANDBOX_HEADERS_MAX)
        return;
    struct sandbox_header *h = &a->headers[a->header_count++];
    h->name = name;
    va_list args;
    va_start(args, format);
    (void) vsnprintf(h->value, sizeof(h->value), format, args);
    va_end(args);
}

bool call_path_matches(const char *pattern, const char *path, char parts[PATH_PARTS_MAX][PATH_PART_BYTES]) {
    size_t count = 0;
    while (*pattern) {
        if (*pattern != '*') {
            if (*pattern++ != *path++)
                return false;
            continue;
        }
        bool is_rest = pattern[1] == '*';
        size_t size = is_rest ? strlen(path) : strcspn(path, "/");
        if (size == 0 || size >= PATH_PART_BYTES || count == PATH_PARTS_MAX)
            return false;
        memcpy(parts[count], path, size);
        parts[count++][size] = '\0';
        path += size;
        pattern += is_rest ? 2 : 1;
    }
    return *path == '\0';
}

int sandbox_reply_flat(struct sandbox_reply *a, unsigned status, const char *const *members) {
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, status, JSON_EXPRESS);
    if (!w)
        return -ENOMEM;
    json_write_object(w);
    for (; *members; members += 2)
        json_write_member(w, members[0], members[1]);
    json_write_object_end(w);
    int r = json_writer_finish(w);
    return r < 0 ? r : 1;
}

int sandbox_reply_page(struct sandbox_reply *a, unsigned status, const char *what) {
    _cleanup_(buf_done) struct buf page = BUF_MAX(1024);
    (void) buf_printf(&page,
                      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Error</title>\n</head>\n"
                      "<body>\n<pre>%s</pre>\n</body>\n</html>\n",
                      what);
    sandbox_reply_text(a, status, "text/html; charset=utf-8", buf_string(&page));
    return 1;
}

void sandbox_append_recipient(struct buf *b, const char *chat_id) {
    size_t digits = strspn(chat_id, "0123456789");
    if (digits > 0 && strcmp(chat_id + digits, "@c.us") == 0)
        (void) buf_printf(b, "+%.*s", (int) digits, chat_id);
    else
        (void) buf_append_string(b, chat_id);
}

bool text_ends_with(const char *text, const char *end) {
    size_t size = strlen(text), end_size = strlen(end);
    return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

bool text_is_web_address(const char *text) {
    return text && (strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0) && !strpbrk(text, " \t\r\n");
}

int sandbox_write_media(struct buf *out, const char *type, const char *url, const char *filename) {
    _cleanup_(json_writer_freep) struct json_writer *w = json_writer_new(out);
    if (!w)
        return -ENOMEM;
    json_write_object(w);
    json_write_member(w, "type", type);
    json_write_member(w, "url", url);
    if (filename)
        json_write_member(w, "filename", filename);
    json_write_object_end(w);
    return json_writer_finish(w);
}

const struct sandbox_group sandbox_groups[] = {
    {"120363021234567890@g.us", "Field team"},
    {"120363041234567890@g.us", "North district"},
    {"8801711000000-1412345678@g.us", "Night shift 🌙"},
    {NULL, NULL},
};

const struct sandbox_group sandbox_cloud_groups[] = {
    {"Y2FwaV9ncm91cDo4ODAxNzAwMDAwMDAwOjEyMDM2MzA", "Field team"},
    {"Y2FwaV9ncm91cDo4ODAxNzAwMDAwMDAwOjEyMDM2MzE", "North district"},
    {NULL, NULL},
};

void sandbox_write_chat(struct json_writer *w, const char *id, const char *name) {
    _cleanup_(buf_done) struct buf user = BUF_MAX(PATH_PART_BYTES);
    size_t size = strcspn(id, "@");
    (void) buf_append(&user, id, size);
    json_write_object(w);
    json_write_key(w, "id");
    json_write_object(w);
    json_write_member(w, "server", id + size + 1);
    json_write_member(w, "user", buf_string(&user));
    json_write_member(w, "_serialized", id);
    json_write_object_end(w);
    json_write_member(w, "name", name);
    json_write_key(w, "isGroup");
    json_write_bool(w, text_ends_with(id, "@g.us"));
    json_write_object_end(w);
}

const char *call_bearer(const struct call *call) {
    if (!call->authorization || strncasecmp(call->authorization, "Bearer ", 7) != 0)
        return NULL;
    const char *token = call->authorization + 7;
    token += strspn(token, " ");
    return *token ? token : NULL;
}

bool sandbox_knows_token(const struct sandbox *s, const char *token) {
    return token && *token && (!s->token || strcmp(token, s->token) == 0);
}

void sandbox_new_id(struct sandbox *s, char ret[static 19]) {
    uint64_t z = s->id_seed + ++s->id_count * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    (void) snprintf(ret, 19, "%016llX%02X", (unsigned long long) z, (unsigned) (s->id_count & 0xff));
}

bool sandbox_append_number(struct buf *b, const char *text) {
    bool has_digit = false;
    for (const char *p = text; *p; p++) {
        if (*p >= '0' && *p <= '9') {
            has_digit = true;
            (void) buf_append_char(b, *p);
        } else if (*p == '+' && p == text)
            (void) buf_append_char(b, '+');
        else if (!strchr(" -().", *p))
            return false;
    }
    return has_digit;
}

static enum manner manner_of(enum behaviour_mode mode) {
    switch (mode) {
    case MODE_HANG: return MANNER_HANG;
    case MODE_CUT_BEFORE:
    case MODE_CUT_AFTER: return MANNER_CUT;
    case MODE_DRIP: return MANNER_DRIP;
    case MODE_TRUNCATED: return MANNER_TRUNCATED;
    default: return MANNER_SEND;
    }
}

/* Each text as long as it may be, the body cut at a character. */
static int keep(struct sandbox *s, const struct chat_arrival *arrival) {
    struct chat_arrival bounded = *arrival;
    _cleanup_(buf_done) struct buf body = BUF_MAX(CHATS_BODY_BYTES_MAX);
    for (int t = 0; t < CHAT_TEXT_COUNT; t++) {
        const char *text = arrival->text[t];
        if (text && t != CHAT_BODY && t != CHAT_TEMPLATE && strlen(text) > CHATS_TEXT_BYTES_MAX)
            return -EMSGSIZE;
    }
    const char *text = arrival->text[CHAT_BODY];
    if (text && strlen(text) > CHATS_BODY_BYTES_MAX) {
        int r = text_append_utf8(&body, text, strlen(text), CHATS_BODY_BYTES_MAX);
        if (r < 0)
            return r;
        bounded.text[CHAT_BODY] = buf_string(&body);
    }
    return chats_add(s->chats, &bounded);
}

int sandbox_receive(struct sandbox *s, struct chat_arrival *arrival, unsigned success_status, struct sandbox_reply *a,
                    struct verdict *ret) {
    struct verdict verdict =
            behaviour_decide(s->behaviour, arrival->gateway, arrival->text[CHAT_SENDER], arrival->text[CHAT_RECIPIENT]);
    if (verdict.status == 400 && arrival->unknown)
        verdict.status = arrival->unknown;
    a->latency_usec = verdict.latency_usec;
    a->manner = manner_of(verdict.mode);
    if (verdict.status != 0 && verdict.retry_after_sec >= 0)
        sandbox_reply_header(a, "Retry-After", "%lld", (long long) verdict.retry_after_sec);
    arrival->is_refused = verdict.status != 0;
    arrival->code = verdict.code;
    arrival->answered = verdict.status ? verdict.status : success_status;
    if (a->manner == MANNER_HANG || a->manner == MANNER_CUT)
        arrival->answered = 0;
    *ret = verdict;
    if (verdict.mode == MODE_CUT_BEFORE)
        return 0;
    if (s->on_message && !arrival->is_refused)
        s->on_message(arrival, s->userdata);
    return keep(s, arrival);
}

static int fill(struct buf *b, const char *text, size_t bytes) {
    size_t size = strlen(text);
    while (b->size + size <= bytes) {
        int r = buf_append(b, text, size);
        if (r < 0)
            return r;
    }
    return 0;
}

int sandbox_reply_spoil(struct sandbox_reply *a, const struct verdict *verdict) {
    switch (verdict->mode) {
    case MODE_GARBAGE:
        sandbox_reply_text(a, a->status, "text/html", "<html><body><h1>It works!</h1>{\"messages\":[{\"id\":\"");
        return buf_append(&a->body, "\xff\xfe\x00", 3);
    case MODE_EMPTY:
        buf_clear(&a->body);
        return 0;
    case MODE_HUGE:
        sandbox_reply_text(a, a->status, a->content_type, "{\"padding\":\"");
        (void) fill(&a->body, "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqr", HUGE_BYTES);
        return buf_append_string(&a->body, "\"}");
    case MODE_DEEP:
        sandbox_reply_text(a, a->status, a->content_type, "");
        (void) fill(&a->body, "[", DEEP_LEVELS);
        return fill(&a->body, "]", 2 * (size_t) DEEP_LEVELS);
    default:
        return 0;
    }
}
