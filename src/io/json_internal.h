/* The inside of a JSON document, for json.c, which builds it, and json_document.c, which owns it and reads it. */
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
