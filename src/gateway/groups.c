#include "gateway/groups.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "gateway/target.h"

enum { CURSOR_BYTES = 1024 };

struct groups_reader {
    const struct groups_shape *shape;
    group_fn on_group;
    void *userdata;
    struct json_scan *scan;
    size_t level;  /* of an element */
    bool has_items;
    bool is_left, has_more;
    char ids[GROUPS_PLACES_MAX][GROUP_ID_BYTES], names[GROUPS_PLACES_MAX][GROUP_NAME_BYTES]; /* of the element */
    char next[CURSOR_BYTES];
};

static size_t count_steps(const char *path) {
    size_t n = *path ? 1 : 0;

    for (; *path; path++)
        n += *path == '.';
    return n;
}

/* Whether it stands in an element, or at one. */
static bool is_in_element(const struct groups_reader *r, const struct json_scan *s) {
    return json_scan_depth(s) >= r->level && json_scan_steps_are(s, 0, r->level - 1, r->shape->items);
}

/* Cut at a character. */
static void copy_text(char *slot, size_t slot_bytes, const char *text) {
    size_t size = strlen(text);

    if (size >= slot_bytes)
        for (size = slot_bytes - 1; size > 0 && ((unsigned char) text[size] & 0xc0) == 0x80;)
            size--;
    memcpy(slot, text, size);
    slot[size] = '\0';
}

/* The first text of that path counts. */
static void keep(const struct json_scan *s, size_t from, const char *const *paths, char *slots, size_t slot_bytes,
                 const char *text) {
    for (size_t i = 0; i < GROUPS_PLACES_MAX && paths[i]; i++) {
        char *slot = slots + i * slot_bytes;

        if (!*slot && json_scan_is_at(s, from, paths[i]))
            copy_text(slot, slot_bytes, text);
    }
}

static int on_text(const struct json_scan *s, const char *text, void *userdata) {
    struct groups_reader *r = userdata;
    const struct groups_shape *shape = r->shape;

    if (shape->next && json_scan_is_at(s, 0, shape->next) && strlen(text) < CURSOR_BYTES)
        (void) snprintf(r->next, sizeof(r->next), "%s", text);
    if (shape->more && json_scan_is_at(s, 0, shape->more))
        r->has_more = true;
    if (!is_in_element(r, s))
        return 0;
    if (strlen(text) < GROUP_ID_BYTES)
        keep(s, r->level, shape->ids, r->ids[0], GROUP_ID_BYTES, text);
    keep(s, r->level, shape->names, r->names[0], GROUP_NAME_BYTES, text);
    if (shape->left && json_scan_is_at(s, r->level, shape->left))
        r->is_left = strcmp(text, "true") == 0;
    return 0;
}

static const char *first_of(const char *slots, size_t slot_bytes) {
    for (size_t i = 0; i < GROUPS_PLACES_MAX; i++)
        if (!text_is_blank(slots + i * slot_bytes))
            return slots + i * slot_bytes;
    return "";
}

static int end_element(struct groups_reader *r) {
    _cleanup_(buf_done) struct buf name = BUF_MAX(4 * GROUP_NAME_BYTES);
    struct group group = {.id = first_of(r->ids[0], GROUP_ID_BYTES)};
    int result = 0;

    if (r->shape->is_group(group.id) && !r->is_left) {
        result = text_append_printable(&name, first_of(r->names[0], GROUP_NAME_BYTES), name.max);
        group.name = buf_string(&name);
        if (result >= 0)
            result = r->on_group(&group, r->userdata);
    }
    memset(r->ids, 0, sizeof(r->ids));
    memset(r->names, 0, sizeof(r->names));
    r->is_left = false;
    return result;
}

static int on_end(const struct json_scan *s, void *userdata) {
    struct groups_reader *r = userdata;

    if (json_scan_is_at(s, 0, r->shape->items))
        r->has_items = true;
    return json_scan_depth(s) == r->level && is_in_element(r, s) ? end_element(r) : 0;
}

struct groups_reader *groups_reader_new(const struct groups_shape *shape, group_fn on_group, void *userdata) {
    static const struct json_scan_handler handler = {.on_text = on_text, .on_end = on_end};
    _cleanup_(groups_reader_freep) struct groups_reader *r = calloc(1, sizeof(*r));

    if (!r)
        return NULL;
    r->shape = shape;
    r->on_group = on_group;
    r->userdata = userdata;
    r->level = count_steps(shape->items) + 1;
    r->scan = json_scan_new(&handler, r);
    return r->scan ? TAKE_PTR(r) : NULL;
}

struct groups_reader *groups_reader_free(struct groups_reader *r) {
    if (!r)
        return NULL;
    json_scan_free(r->scan);
    free(r);
    return NULL;
}

int groups_reader_feed(struct groups_reader *r, const char *bytes, size_t size) {
    return json_scan_feed(r->scan, bytes, size);
}

int groups_reader_finish(struct groups_reader *r, const char **ret_next) {
    int result = json_scan_finish(r->scan);

    *ret_next = r->has_more && *r->next ? r->next : NULL;
    return result < 0 ? result : r->has_items ? 0 : -EBADMSG;
}
