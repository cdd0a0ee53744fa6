#include "gateway/understand.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "gateway/scrub.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

/* As it is, or, where a text in it is of another encoding, with U+FFFD there. */
static int parse(const char *body, size_t size, struct understood *a) {
    _cleanup_(buf_done) struct buf text = BUF_MAX(JSON_BYTES_MAX);
    int r = json_parse(body, size, &a->document, &a->fault);

    if (r != -EBADMSG || size > JSON_BYTES_MAX || text_is_utf8(body, size))
        return r;
    r = text_append_utf8(&text, body, size, JSON_BYTES_MAX);
    return r < 0 ? r : json_parse(buf_string(&text), text.size, &a->document, &a->fault);
}

void understood_init(struct understood *a, const struct reply *reply, const struct sender *sender, const struct message *message) {
    const char *body = reply->body ? reply->body : "";
    size_t size = reply->body ? reply->body_size : 0, mark = strlen(BYTE_ORDER_MARK);

    if (size < mark || memcmp(body, BYTE_ORDER_MARK, mark) != 0)
        mark = 0;
    *a = (struct understood) {.reply = reply, .fault = "it is not JSON"};
    int r = parse(body + mark, size - mark, a);
    a->is_unread = r < 0 && r != -EBADMSG;
    if (r >= 0)
        a->root = json_root(a->document);
    else if (a->is_unread)
        a->fault = "there is no memory to read it with";
    else if (size == 0)
        a->fault = "it is empty";
    scrub_reply(reply, a->root, sender, message, a->words, sizeof(a->words));
}

void understood_done(struct understood *a) {
    json_free(a->document);
}

bool understood_is_page(const struct understood *a) {
    static const char *const beginnings[] = {"<!doctype html", "<html"};
    const char *body = a->reply->body;
    size_t size = a->reply->body_size, space = 0;

    while (space < size && body[space] && strchr(" \t\r\n", body[space]))
        space++;
    for (size_t i = 0; i < ELEMENTSOF(beginnings); i++)
        if (size - space >= strlen(beginnings[i]) && strncasecmp(body + space, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    return false;
}

bool understood_is_object(const struct understood *a) {
    if (a->root)
        return json_type(a->root) == JSON_OBJECT;
    return a->reply->body_size == 0 || a->reply->body[0] == '{';
}

const char *understood_string(const struct understood *a, const char *path) {
    const struct json_value *value = json_at(a->root, path);

    return value && json_type(value) == JSON_STRING ? json_text(value) : NULL;
}

void understood_page(const struct understood *a, struct outcome *ret) {
    outcome_set(ret, OUTCOME_IN_DOUBT, SCOPE_SENDER, 0, a->reply->status,
                "a web page, not the gateway's answer (HTTP %d); check base_url", a->reply->status);
}

void understood_doubt(const struct understood *a, const char *why, struct outcome *ret) {
    outcome_set(ret, OUTCOME_IN_DOUBT, SCOPE_MESSAGE, 0, a->reply->status, "HTTP %d, but the answer can't be understood: %s%s%s",
                a->reply->status, a->root ? why : a->fault, *a->words ? ": " : "", a->words);
}
