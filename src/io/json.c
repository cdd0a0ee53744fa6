#include "io/json.h"

#include <assert.h>
#include <errno.h>
#include <setjmp.h>
#include <stdalign.h>
#include <string.h>

#include <yajl/yajl_gen.h>
#include <yajl/yajl_parse.h>

#include "base/text.h"
#include "io/json_internal.h"

/* --- Reading --- */

/* Memory that yajl asked for. It does not look whether it got any, so where there is none we jump out of it, and free what it
 * held by this list. */
struct yajl_block {
    alignas(max_align_t) struct yajl_block *next; /* what yajl got begins behind this header, aligned as malloc does */
    struct yajl_block *previous;
};

struct json_parser {
    struct json *doc;
    struct json_value *open[JSON_DEPTH_MAX];
    size_t depth;
    size_t values;
    const char *key; /* the next value's */
    const char *reason;
    int error; /* 0, or why a callback stopped the parser */
    struct yajl_block blocks; /* head of a ring */
    jmp_buf no_memory;
};

static void *parser_reallocate(void *context, void *pointer, size_t size) {
    struct json_parser *p = context;
    struct yajl_block *block = pointer ? (struct yajl_block *) pointer - 1 : NULL;
    struct yajl_block *new;

    new = realloc(block, sizeof(*new) + size);
    if (!new)
        longjmp(p->no_memory, 1);
    if (!block) {
        new->next = p->blocks.next;
        new->previous = &p->blocks;
    }
    new->next->previous = new;
    new->previous->next = new;
    return new + 1;
}

static void *parser_allocate(void *context, size_t size) {
    return parser_reallocate(context, NULL, size);
}

static void parser_release(void *context, void *pointer) {
    struct yajl_block *block;

    if (!pointer)
        return;
    block = (struct yajl_block *) pointer - 1;
    block->next->previous = block->previous;
    block->previous->next = block->next;
    free(block);
}

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

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_object,
    .yajl_map_key = on_key,
    .yajl_end_map = parser_close,
    .yajl_start_array = on_array,
    .yajl_end_array = parser_close,
};

/* Runs yajl. Everything that must survive the jump is in *p. */
static void parser_run(struct json_parser *p, const char *text, size_t size) {
    yajl_alloc_funcs memory = {
        .malloc = parser_allocate, .realloc = parser_reallocate, .free = parser_release, .ctx = p};
    yajl_status status;
    yajl_handle yajl;

    if (setjmp(p->no_memory) != 0) {
        (void) parser_stop(p, -ENOMEM, NULL);
        return;
    }
    yajl = yajl_alloc(&callbacks, &memory, p);
    status = yajl_parse(yajl, (const unsigned char *) text, size);
    if (status == yajl_status_ok)
        status = yajl_complete_parse(yajl);
    if (status != yajl_status_ok && p->error == 0)
        (void) parser_stop(p, -EBADMSG, "not JSON, or cut off");
}

int json_parse(const char *text, size_t size, struct json **ret, const char **reterr_reason) {
    _cleanup_(json_freep) struct json *doc = NULL;
    _cleanup_(freep) struct json_parser *p = NULL;

    *reterr_reason = size > JSON_BYTES_MAX ? "too long" : !text_is_utf8(text, size) ? "not UTF-8" : NULL;
    if (*reterr_reason)
        return -EBADMSG;

    doc = calloc(1, sizeof(*doc));
    p = calloc(1, sizeof(*p));
    if (!doc || !p)
        return -ENOMEM;
    p->doc = doc;
    p->blocks.next = p->blocks.previous = &p->blocks;

    parser_run(p, text, size);
    while (p->blocks.next != &p->blocks)
        parser_release(p, p->blocks.next + 1);
    if (p->error < 0) {
        *reterr_reason = p->reason;
        return p->error;
    }
    assert(doc->root);
    *ret = TAKE_PTR(doc);
    return 0;
}

/* --- Writing --- */

enum { GENERATOR_BYTES = 2048, WRITER_DEPTH_MAX = 96 /* yajl's own limit is 128 */ };

struct json_writer {
    struct buf *out;
    yajl_gen yajl;
    int error;
    bool is_object[WRITER_DEPTH_MAX];
    size_t depth;
    bool has_key; /* whose value is still to come */
    bool is_complete;
    /* All that yajl_gen ever allocates, when it is made: it does not look whether it got any. */
    size_t pool_used;
    alignas(max_align_t) char pool[GENERATOR_BYTES];
};

static void *pool_allocate(void *context, size_t size) {
    struct json_writer *w = context;
    char *bytes = w->pool + w->pool_used;

    size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    assert(size <= sizeof(w->pool) - w->pool_used);
    w->pool_used += size;
    return bytes;
}

/* Only its own output buffer would grow, and that is never used. */
static void *pool_reallocate(void *context, void *pointer, size_t size) {
    (void) pointer;
    return pool_allocate(context, size);
}

static void pool_release(void *context, void *pointer) {
    (void) context;
    (void) pointer;
}

static void writer_print(void *context, const char *bytes, size_t size) {
    struct json_writer *w = context;

    if (w->error == 0)
        w->error = buf_append(w->out, bytes, size);
}

struct json_writer *json_writer_new(struct buf *out) {
    _cleanup_(freep) struct json_writer *w = NULL;
    yajl_alloc_funcs memory = {.malloc = pool_allocate, .realloc = pool_reallocate, .free = pool_release};

    w = calloc(1, sizeof(*w));
    if (!w) {
        if (out->error == 0)
            out->error = -ENOMEM;
        return NULL;
    }
    w->out = out;
    memory.ctx = w;
    w->yajl = yajl_gen_alloc(&memory);
    (void) yajl_gen_config(w->yajl, yajl_gen_print_callback, writer_print, w);
    return TAKE_PTR(w);
}

int json_writer_finish(struct json_writer *w) {
    if (!w)
        return -ENOMEM;
    if (w->error < 0)
        return w->error;
    return w->is_complete ? 0 : -EINVAL;
}

struct json_writer *json_writer_free(struct json_writer *w) {
    if (!w)
        return NULL;
    yajl_gen_free(w->yajl);
    free(w);
    return NULL;
}

/* Keeps the first thing that went wrong; a misplaced key or end is the caller's bug, and spoils the document. */
static void writer_check(struct json_writer *w, yajl_gen_status status) {
    w->has_key = false;
    if (status != yajl_gen_status_ok && w->error == 0)
        w->error = -EINVAL;
    if (w->error < 0 && w->out->error == 0)
        w->out->error = w->error;
    if (w->error == 0 && w->depth == 0)
        w->is_complete = true;
}

static void writer_open(struct json_writer *w, bool is_object) {
    if (!w)
        return;
    if (w->depth == WRITER_DEPTH_MAX) {
        writer_check(w, yajl_max_depth_exceeded);
        return;
    }
    w->is_object[w->depth++] = is_object;
    writer_check(w, is_object ? yajl_gen_map_open(w->yajl) : yajl_gen_array_open(w->yajl));
}

/* yajl would end an object with a bracket, or behind a key. */
static void writer_close(struct json_writer *w, bool is_object) {
    if (!w)
        return;
    if (w->depth == 0 || w->is_object[w->depth - 1] != is_object || w->has_key) {
        writer_check(w, yajl_gen_in_error_state);
        return;
    }
    w->depth--;
    writer_check(w, is_object ? yajl_gen_map_close(w->yajl) : yajl_gen_array_close(w->yajl));
}

void json_write_object(struct json_writer *w) {
    writer_open(w, true);
}

void json_write_object_end(struct json_writer *w) {
    writer_close(w, true);
}

void json_write_array(struct json_writer *w) {
    writer_open(w, false);
}

void json_write_array_end(struct json_writer *w) {
    writer_close(w, false);
}

void json_write_key(struct json_writer *w, const char *key) {
    json_write_string(w, key);
    if (w)
        w->has_key = true;
}

void json_write_string(struct json_writer *w, const char *text) {
    _cleanup_(buf_done) struct buf mended = BUF_MAX(JSON_BYTES_MAX);
    size_t size;

    if (!w)
        return;
    if (!text) {
        json_write_null(w);
        return;
    }
    size = strlen(text);
    if (!text_is_utf8(text, size)) {
        int r = text_append_utf8(&mended, text, size, mended.max);

        if (r < 0 && w->error == 0)
            w->error = r;
        text = buf_string(&mended);
        size = mended.size;
    }
    writer_check(w, yajl_gen_string(w->yajl, (const unsigned char *) text, size));
}

void json_write_int(struct json_writer *w, int64_t number) {
    if (w)
        writer_check(w, yajl_gen_integer(w->yajl, number));
}

void json_write_bool(struct json_writer *w, bool truth) {
    if (w)
        writer_check(w, yajl_gen_bool(w->yajl, truth));
}

void json_write_null(struct json_writer *w) {
    if (w)
        writer_check(w, yajl_gen_null(w->yajl));
}

void json_write_member(struct json_writer *w, const char *key, const char *text) {
    json_write_key(w, key);
    json_write_string(w, text);
}

void json_write_value(struct json_writer *w, const struct json_value *value, json_map_fn map, void *userdata) {
    const char *mapped = NULL;

    if (!w || !value) {
        json_write_null(w);
        return;
    }
    switch (value->type) {
    case JSON_NULL:
        json_write_null(w);
        return;
    case JSON_BOOL:
        json_write_bool(w, value->truth);
        return;
    case JSON_NUMBER:
        writer_check(w, yajl_gen_number(w->yajl, value->text, strlen(value->text)));
        return;
    case JSON_STRING:
        mapped = map ? map(value->text, userdata) : NULL;
        json_write_string(w, mapped ? mapped : value->text);
        return;
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }

    /* As deep as the parser let it be. */
    if (value->type == JSON_ARRAY)
        json_write_array(w);
    else
        json_write_object(w);
    for (const struct json_value *v = value->first; v; v = v->next) {
        if (v->key)
            json_write_key(w, v->key);
        json_write_value(w, v, map, userdata);
    }
    if (value->type == JSON_ARRAY)
        json_write_array_end(w);
    else
        json_write_object_end(w);
}
