#include "io/json_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <string.h>

#include "base/parse.h"
#include "base/text.h"

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

/* --- Building one --- */

/* A document that is being built. */
struct json_parser {
    struct json *doc;
    struct json_value *open[JSON_DEPTH_MAX];
    size_t depth;
    size_t values;
    const char *key; /* the next value's */
    const char *reason;
    int error; /* 0, or why an event ended the reading */
};

/* What a callback returns to end the parse. */
static int parser_stop(struct json_parser *p, int error, const char *reason) {
    p->error = error;
    p->reason = reason;
    return 0;
}

/* A copy of a string that yajl decoded: an escape can have brought in U+0000 or half of a surrogate pair. */
static const char *parser_copy(struct json_parser *p, const unsigned char *bytes, size_t size) {
    _cleanup_(buf_done) struct buf mended = BUF_MAX(JSON_BYTES_MAX);
    const char *from = (const char *) bytes;
    char *copy;

    if (!text_is_utf8(from, size)) {
        if (text_append_utf8(&mended, from, size, mended.max) < 0) {
            (void) parser_stop(p, -ENOMEM, NULL);
            return NULL;
        }
        from = buf_string(&mended);
        size = mended.size;
    }
    copy = json_allocate(p->doc, size + 1);
    if (!copy) {
        (void) parser_stop(p, -ENOMEM, NULL);
        return NULL;
    }
    memcpy(copy, from, size);
    copy[size] = '\0';
    return copy;
}

/* Adds a value where the parser stands. NULL: the parse ends. */
static struct json_value *parser_add(struct json_parser *p, enum json_type type) {
    struct json_value *parent = p->depth > 0 ? p->open[p->depth - 1] : NULL;
    struct json_value *value;

    if (p->values++ >= JSON_VALUES_MAX) {
        (void) parser_stop(p, -EBADMSG, "too many values");
        return NULL;
    }
    value = json_allocate(p->doc, sizeof(*value));
    if (!value) {
        (void) parser_stop(p, -ENOMEM, NULL);
        return NULL;
    }
    *value = (struct json_value) {.type = type, .key = TAKE_PTR(p->key)};
    if (!parent)
        p->doc->root = value;
    else if (parent->last)
        parent->last->next = value;
    else
        parent->first = value;
    if (parent) {
        parent->last = value;
        parent->count++;
    }
    return value;
}

static int parser_add_text(struct json_parser *p, enum json_type type, const unsigned char *bytes, size_t size) {
    struct json_value *value = parser_add(p, type);

    if (!value)
        return 0;
    value->text = parser_copy(p, bytes, size);
    return value->text != NULL;
}

static int parser_open(struct json_parser *p, enum json_type type) {
    struct json_value *value;

    if (p->depth >= JSON_DEPTH_MAX)
        return parser_stop(p, -EBADMSG, "nested too deeply");
    value = parser_add(p, type);
    if (!value)
        return 0;
    p->open[p->depth++] = value;
    return 1;
}

static int parser_close(void *context) {
    struct json_parser *p = context;

    assert(p->depth > 0);
    p->depth--;
    return 1;
}

static int on_null(void *context) {
    return parser_add(context, JSON_NULL) != NULL;
}

static int on_boolean(void *context, int truth) {
    struct json_value *value = parser_add(context, JSON_BOOL);

    if (!value)
        return 0;
    value->truth = truth;
    return 1;
}

static int on_number(void *context, const char *text, size_t size) {
    return parser_add_text(context, JSON_NUMBER, (const unsigned char *) text, size);
}

static int on_string(void *context, const unsigned char *text, size_t size) {
    return parser_add_text(context, JSON_STRING, text, size);
}

static int on_object(void *context) {
    return parser_open(context, JSON_OBJECT);
}

static int on_array(void *context) {
    return parser_open(context, JSON_ARRAY);
}

static int on_key(void *context, const unsigned char *text, size_t size) {
    struct json_parser *p = context;

    p->key = parser_copy(p, text, size);
    return p->key != NULL;
}

static const struct json_events events = {
    .on_null = on_null,
    .on_bool = on_boolean,
    .on_number = on_number,
    .on_string = on_string,
    .on_object = on_object,
    .on_key = on_key,
    .on_array = on_array,
    .on_end = parser_close,
};

int json_parse(const char *text, size_t size, struct json **ret, const char **reterr_reason) {
    _cleanup_(json_freep) struct json *doc = NULL;
    _cleanup_(json_engine_freep) struct json_engine *engine = NULL;
    struct json_parser p = {0};
    int r;

    *reterr_reason = size > JSON_BYTES_MAX ? "too long" : !text_is_utf8(text, size) ? "not UTF-8" : NULL;
    if (*reterr_reason)
        return -EBADMSG;

    doc = calloc(1, sizeof(*doc));
    engine = json_engine_new(&events, &p);
    if (!doc || !engine)
        return -ENOMEM;
    p.doc = doc;
    r = json_engine_feed(engine, text, size);
    if (r >= 0)
        r = json_engine_finish(engine);
    if (r < 0) {
        *reterr_reason = r == -ECANCELED ? p.reason : "not JSON, or cut off";
        return r == -ECANCELED ? p.error : r;
    }
    assert(doc->root);
    *ret = TAKE_PTR(doc);
    return 0;
}

/* --- Looking into it --- */

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
