#include "gateway/understand.h"

#include "gateway/scrub.h"

void understood_init(struct understood *a, const struct reply *reply, const struct sender *sender, const struct message *message) {
    *a = (struct understood) {.reply = reply, .fault = "it is not JSON"};
    if (json_parse(reply->body ? reply->body : "", reply->body ? reply->body_size : 0, &a->document, &a->fault) >= 0)
        a->root = json_root(a->document);
    else if (reply->body_size == 0)
        a->fault = "it is empty";
    scrub_reply(reply, a->root, sender, message, a->words, sizeof(a->words));
}

void understood_done(struct understood *a) {
    json_free(a->document);
}

const char *understood_string(const struct understood *a, const char *path) {
    const struct json_value *value = json_at(a->root, path);

    return value && json_type(value) == JSON_STRING ? json_text(value) : NULL;
}

void understood_doubt(const struct understood *a, const char *why, struct outcome *ret) {
    outcome_set(ret, OUTCOME_IN_DOUBT, SCOPE_MESSAGE, 0, a->reply->status, "HTTP %d, but the answer can't be understood: %s%s%s",
                a->reply->status, a->root ? why : a->fault, *a->words ? ": " : "", a->words);
}
