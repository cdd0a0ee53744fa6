#include "io/json_internal.h"

#include <errno.h>
#include <stdalign.h>
#include <string.h>

#include "base/parse.h"

enum { CHUNK_BYTES = 8 * 1024 };

struct chunk {
    struct chunk *next;
    alignas(max_align_t) char bytes[];
};

void *json_allocate(struct json *doc, size_t size) {
    struct chunk *chunk;
    char *bytes;

    size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (size > doc->free_size) {
        size_t chunk_size = size > CHUNK_BYTES / 4 ? size : CHUNK_BYTES;

        chunk = malloc(sizeof(*chunk) + chunk_size);
        if (!chunk)
            return NULL;
        chunk->next = doc->chunks;
        doc->chunks = chunk;
        /* A large block has a chunk of its own, and the rest of the common one stays in use. */
        if (chunk_size == size)
            return chunk->bytes;
        doc->free_bytes = chunk->bytes;
        doc->free_size = chunk_size;
    }
    bytes = doc->free_bytes;
    doc->free_bytes += size;
    doc->free_size -= size;
    return bytes;
}

struct json *json_free(struct json *doc) {
    if (!doc)
        return NULL;
    while (doc->chunks) {
        struct chunk *next = doc->chunks->next;

        free(doc->chunks);
        doc->chunks = next;
    }
    free(doc);
    return NULL;
}

const struct json_value *json_root(const struct json *doc) {
    return doc->root;
}

/* The child under one step of a path. */
static const struct json_value *json_child(const struct json_value *value, const char *step, size_t size) {
    char number[20];
    int64_t index;

    if (value->type == JSON_OBJECT) {
        for (const struct json_value *v = value->first; v; v = v->next)
            if (strlen(v->key) == size && memcmp(v->key, step, size) == 0)
                return v;
        return NULL;
    }
    if (value->type != JSON_ARRAY || size >= sizeof(number))
        return NULL;
    memcpy(number, step, size);
    number[size] = '\0';
    if (parse_int(number, 0, JSON_VALUES_MAX, &index) < 0)
        return NULL;
    for (const struct json_value *v = value->first; v; v = v->next)
        if (index-- == 0)
            return v;
    return NULL;
}

const struct json_value *json_at(const struct json_value *value, const char *path) {
    while (value && *path) {
        size_t size = strcspn(path, ".");

        value = json_child(value, path, size);
        path += size;
        if (*path == '.')
            path++;
    }
    return value;
}

enum json_type json_type(const struct json_value *value) {
    return value->type;
}

const char *json_text(const struct json_value *value) {
    return value ? value->text : NULL;
}

const char *json_text_at(const struct json_value *value, const char *path) {
    return json_text(json_at(value, path));
}

int json_int_at(const struct json_value *value, const char *path, int64_t *ret) {
    const struct json_value *found = json_at(value, path);

    if (!found)
        return -ENOENT;
    if (!found->text || parse_int(found->text, INT64_MIN, INT64_MAX, ret) < 0)
        return -EINVAL;
    return 0;
}

bool json_is_true_at(const struct json_value *value, const char *path) {
    const struct json_value *found = json_at(value, path);

    return found && found->type == JSON_BOOL && found->truth;
}

const struct json_value *json_first(const struct json_value *value) {
    return value ? value->first : NULL;
}

const struct json_value *json_next(const struct json_value *value) {
    return value ? value->next : NULL;
}

size_t json_count(const struct json_value *value) {
    return value ? value->count : 0;
}

const char *json_key(const struct json_value *value) {
    return value ? value->key : NULL;
}
