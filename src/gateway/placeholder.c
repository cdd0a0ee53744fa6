#include "gateway/placeholder.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum placeholder {
    PLACEHOLDER_TARGET,
    PLACEHOLDER_PHONE,
    PLACEHOLDER_BODY,
    PLACEHOLDER_ID,
    PLACEHOLDER_ATTEMPT_ID,
    PLACEHOLDER_KEY,
    PLACEHOLDER_KIND,
    PLACEHOLDER_MEDIA_TYPE,
    PLACEHOLDER_MEDIA_URL,
    PLACEHOLDER_MEDIA_FILENAME,
    PLACEHOLDER_CREDENTIAL,
    PLACEHOLDER_COUNT,
};

static const char *const names[PLACEHOLDER_COUNT] = {
    [PLACEHOLDER_TARGET] = "{{target}}",
    [PLACEHOLDER_PHONE] = "{{phone}}",
    [PLACEHOLDER_BODY] = "{{body}}",
    [PLACEHOLDER_ID] = "{{id}}",
    [PLACEHOLDER_ATTEMPT_ID] = "{{attempt_id}}",
    [PLACEHOLDER_KEY] = "{{key}}",
    [PLACEHOLDER_KIND] = "{{kind}}",
    [PLACEHOLDER_MEDIA_TYPE] = "{{media.type}}",
    [PLACEHOLDER_MEDIA_URL] = "{{media.url}}",
    [PLACEHOLDER_MEDIA_FILENAME] = "{{media.filename}}",
    [PLACEHOLDER_CREDENTIAL] = "{{credential}}",
};

/* Which one begins here, or PLACEHOLDER_COUNT. */
static enum placeholder placeholder_at(const char *text) {
    for (size_t i = 0; i < PLACEHOLDER_COUNT; i++)
        if (strncmp(text, names[i], strlen(names[i])) == 0)
            return (enum placeholder) i;
    return PLACEHOLDER_COUNT;
}

const char *placeholder_fault(const char *text, enum placeholder_place place) {
    for (const char *p = strstr(text, "{{"); p; p = strstr(p + 2, "{{")) {
        enum placeholder which = placeholder_at(p);

        if (which == PLACEHOLDER_COUNT)
            return "holds a placeholder that is not known; there are {{target}}, {{phone}}, {{body}}, {{id}}, {{attempt_id}}, "
                   "{{key}}, {{kind}}, {{media.type}}, {{media.url}}, {{media.filename}}, and in headers {{credential}}";
        if (which == PLACEHOLDER_CREDENTIAL && place == PLACEHOLDER_IN_BODY)
            return "holds {{credential}}, which may stand in headers only, for example {\"headers\": {\"Authorization\": "
                   "\"Bearer {{credential}}\"}}";
        if (which == PLACEHOLDER_BODY && place == PLACEHOLDER_IN_HEADER)
            return "holds {{body}}, which may stand in the body only";
        if (which >= PLACEHOLDER_MEDIA_TYPE && which <= PLACEHOLDER_MEDIA_FILENAME && place == PLACEHOLDER_IN_HEADER)
            return "holds a placeholder of media, which may stand in the body only";
    }
    return "";
}

bool placeholder_is_used(const struct json_value *value, const char *placeholder) {
    if (!value)
        return false;
    if (json_type(value) == JSON_STRING)
        return strstr(json_text(value), placeholder) != NULL;
    if (json_type(value) != JSON_ARRAY && json_type(value) != JSON_OBJECT)
        return false;
    for (const struct json_value *v = json_first(value); v; v = json_next(v))
        if (placeholder_is_used(v, placeholder))
            return true;
    return false;
}

static int append_media(struct buf *b, const struct message *m, const char *key) {
    const char *text = json_text_at(m->media, key);

    return text ? buf_append_string(b, text) : 0;
}

static int append_value(struct buf *b, enum placeholder which, const struct sender *sender, const struct message *m) {
    switch (which) {
    case PLACEHOLDER_TARGET:
        return buf_append_string(b, m->target);
    case PLACEHOLDER_PHONE:
        return buf_append_string(b, m->target + (m->target[0] == '+'));
    case PLACEHOLDER_BODY:
        return buf_append_string(b, m->body);
    case PLACEHOLDER_ID:
        return buf_printf(b, "%" PRId64, m->id);
    case PLACEHOLDER_ATTEMPT_ID:
        return buf_printf(b, "%" PRId64, m->attempt_id);
    case PLACEHOLDER_KEY:
        return buf_printf(b, "%" PRId64 ".%" PRId64, m->id, m->attempt_id);
    case PLACEHOLDER_KIND:
        return buf_append_string(b, m->is_group ? "group" : "individual");
    case PLACEHOLDER_MEDIA_TYPE:
        return append_media(b, m, "type");
    case PLACEHOLDER_MEDIA_URL:
        return append_media(b, m, "url");
    case PLACEHOLDER_MEDIA_FILENAME:
        return append_media(b, m, "filename");
    case PLACEHOLDER_CREDENTIAL:
        return buf_append_string(b, sender->secret ? sender->secret : "");
    case PLACEHOLDER_COUNT:
        break;
    }
    return buf_append_string(b, "{{");
}

int placeholder_expand(struct buf *b, const char *text, const struct sender *sender, const struct message *message) {
    int r = 0;

    while (*text && r >= 0) {
        const char *next = strstr(text, "{{");
        enum placeholder which;

        if (!next)
            return buf_append_string(b, text);
        r = buf_append(b, text, (size_t) (next - text));
        if (r < 0)
            return r;
        which = placeholder_at(next);
        r = append_value(b, which, sender, message);
        text = next + (which == PLACEHOLDER_COUNT ? strlen("{{") : strlen(names[which]));
    }
    return r;
}
