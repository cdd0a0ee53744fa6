/* The inside of JSON: what json.c, which knows yajl, reads goes event by event to json_document.c, which builds documents, or to
 * json_scan.c, which keeps none. */
#pragma once

#include "io/json.h"

struct json_value {
    enum json_type type;
    bool truth;
    const char *key;  /* NULL unless in an object */
    const char *text; /* of strings and numbers */
    struct json_value *first;
    struct json_value *last;
    struct json_value *next;
    size_t count; /* of children */
};

/* Values and strings lie in chunks that are freed together. */
struct json {
    struct chunk *chunks;
    char *free_bytes; /* in the newest chunk of the common size */
    size_t free_size;
    struct json_value *root;
};

/* Memory that lives as long as the document, aligned for anything; NULL where there is none. */
void *json_allocate(struct json *doc, size_t size);

/* What a reader is told, in order. Each returns 1 to go on, or 0 to end the reading. */
struct json_events {
    int (*on_null)(void *reader);
    int (*on_bool)(void *reader, int truth);
    int (*on_number)(void *reader, const char *text, size_t size);
    int (*on_string)(void *reader, const unsigned char *text, size_t size);
    int (*on_object)(void *reader);
    int (*on_key)(void *reader, const unsigned char *text, size_t size);
    int (*on_array)(void *reader);
    int (*on_end)(void *reader); /* of an object or an array */
};

struct json_engine;

/* NULL: no memory. */
struct json_engine *json_engine_new(const struct json_events *events, void *reader);
struct json_engine *json_engine_free(struct json_engine *e);
DEFINE_CLEANUP(struct json_engine *, json_engine_free)

/* The next piece of the text. -EBADMSG: not JSON; -ECANCELED: an event ended it; -ENOMEM. What failed stays so. */
int json_engine_feed(struct json_engine *e, const char *text, size_t size) _must_check_;

/* There is no more: -EBADMSG where something is missing. */
int json_engine_finish(struct json_engine *e) _must_check_;
