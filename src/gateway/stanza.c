#include "gateway/stanza.h"

#include <string.h>

/* After "true_" or "false_" and the chat's id: "3EB0A1" or "3EB0A1_PARTICIPANT". NULL: it has another form. */
static const char *after_chat(const char *text) {
    const char *chat = strncmp(text, "true_", 5) == 0 ? text + 5 : strncmp(text, "false_", 6) == 0 ? text + 6 : NULL;
    const char *end = chat ? strchr(chat, '_') : NULL;

    return end && end > chat ? end + 1 : NULL;
}

static bool take(const char *text, char ret[static STANZA_BYTES]) {
    const char *stanza = after_chat(text);
    size_t size = stanza ? strcspn(stanza, "_") : strlen(text);

    if (size == 0 || size >= STANZA_BYTES)
        return false;
    memcpy(ret, stanza ? stanza : text, size);
    ret[size] = '\0';
    return true;
}

/* Its own member first; else the whole, under whatever name. */
static bool take_from_members(const struct json_value *id, char ret[static STANZA_BYTES]) {
    const char *own = json_text_at(id, "id");

    if (own)
        return take(own, ret);
    for (const struct json_value *member = json_first(id); member; member = json_next(member))
        if (json_type(member) == JSON_STRING && after_chat(json_text(member)))
            return take(json_text(member), ret);
    return json_text_at(id, "_serialized") && take(json_text_at(id, "_serialized"), ret);
}

bool stanza_read(const struct json_value *id, char ret[static STANZA_BYTES]) {
    if (!id)
        return false;
    if (json_type(id) == JSON_OBJECT)
        return take_from_members(id, ret);
    return json_text(id) && take(json_text(id), ret);
}
