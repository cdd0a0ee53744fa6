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

struct json_engine {
    yajl_callbacks callbacks;
    yajl_handle yajl;
    int error;
    struct yajl_block blocks; /* head of a ring */
    jmp_buf no_memory;
};

static void *engine_reallocate(void *context, void *pointer, size_t size) {
    struct json_engine *e = context;
    struct yajl_block *block = pointer ? (struct yajl_block *) pointer - 1 : NULL;
    struct yajl_block *new;

    new = realloc(block, sizeof(*new) + size);
    if (!new)
        longjmp(e->no_memory, 1);
    if (!block) {
        new->next = e->blocks.next;
        new->previous = &e->blocks;
    }
    new->next->previous = new;
    new->previous->next = new;
    return new + 1;
}

static void *engine_allocate(void *context, size_t size) {
    return engine_reallocate(context, NULL, size);
}

static void engine_release(void *context, void *pointer) {
    struct yajl_block *block;

    if (!pointer)
        return;
    block = (struct yajl_block *) pointer - 1;
    block->next->previous = block->previous;
    block->previous->next = block->next;
    free(block);
}

static int engine_start(struct json_engine *e, void *reader) {
    yajl_alloc_funcs memory = {.malloc = engine_allocate, .realloc = engine_reallocate, .free = engine_release, .ctx = e};

    if (setjmp(e->no_memory) != 0)
        return -ENOMEM;
    e->yajl = yajl_alloc(&e->callbacks, &memory, reader);
    return 0;
}

struct json_engine *json_engine_new(const struct json_events *events, void *reader) {
    struct json_engine *e = calloc(1, sizeof(*e));

    if (!e)
        return NULL;
    e->blocks.next = e->blocks.previous = &e->blocks;
    e->callbacks = (yajl_callbacks) {
        .yajl_null = events->on_null,
        .yajl_boolean = events->on_bool,
        .yajl_number = events->on_number,
        .yajl_string = events->on_string,
        .yajl_start_map = events->on_object,
        .yajl_map_key = events->on_key,
        .yajl_end_map = events->on_end,
        .yajl_start_array = events->on_array,
        .yajl_end_array = events->on_end,
    };
    return engine_start(e, reader) < 0 ? json_engine_free(e) : e;
}

struct json_engine *json_engine_free(struct json_engine *e) {
    if (!e)
        return NULL;
    while (e->blocks.next != &e->blocks)
        engine_release(e, e->blocks.next + 1);
    free(e);
    return NULL;
}

static int engine_note(struct json_engine *e, yajl_status status) {
    if (status != yajl_status_ok)
        e->error = status == yajl_status_client_canceled ? -ECANCELED : -EBADMSG;
    return e->error;
}

/* What must survive the jump is in *e. */
int json_engine_feed(struct json_engine *e, const char *text, size_t size) {
    if (e->error < 0)
        return e->error;
    if (setjmp(e->no_memory) != 0)
        return e->error = -ENOMEM;
    return engine_note(e, yajl_parse(e->yajl, (const unsigned char *) text, size));
}

int json_engine_finish(struct json_engine *e) {
    if (e->error < 0)
        return e->error;
    if (setjmp(e->no_memory) != 0)
        return e->error = -ENOMEM;
    return engine_note(e, yajl_complete_parse(e->yajl));
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
