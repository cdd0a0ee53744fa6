#include "web/change.h"

#include <errno.h>

static int read_entry(const struct json_value *entry, change_fn on_change, void *userdata) {
    const struct json_value *changes = json_at(entry, "changes");
    int64_t at_sec;
    int r = 0;

    if (!changes || json_type(changes) != JSON_ARRAY)
        return 0;
    if (json_int_at(entry, "time", &at_sec) < 0)
        at_sec = 0;
    for (const struct json_value *c = json_first(changes); c && r >= 0; c = json_next(c)) {
        struct change change = {.field = json_text_at(c, "field"), .value = json_at(c, "value"), .at_sec = at_sec};

        if (change.field && change.value)
            r = on_change(&change, userdata);
    }
    return r;
}

int change_read(const struct json_value *root, change_fn on_change, void *userdata) {
    const struct json_value *entries = json_at(root, "entry");
    int r = 0;

    if (!root || json_type(root) != JSON_OBJECT || !entries || json_type(entries) != JSON_ARRAY)
        return -EBADMSG;
    for (const struct json_value *e = json_first(entries); e && r >= 0; e = json_next(e))
        r = read_entry(e, on_change, userdata);
    return r;
}
