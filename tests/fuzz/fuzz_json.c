/* What is read can be written, and is then read as the same; every text in it is one that the database takes. */
#include "fuzz.h"

#include "io/json.h"

enum { WRITTEN_BYTES_MAX = 16 * 1024 * 1024 };

static size_t check_value(const struct json_value *value, unsigned depth) {
    const char *text = json_text(value), *key = json_key(value);
    size_t values = 1, children = 0;

    HOLDS(depth <= JSON_DEPTH_MAX);
    HOLDS((text != NULL) == (json_type(value) == JSON_STRING || json_type(value) == JSON_NUMBER));
    HOLDS(!text || text_is_utf8(text, strlen(text)));
    HOLDS(!key || text_is_utf8(key, strlen(key)));
    for (const struct json_value *v = json_first(value); v; v = json_next(v), children++)
        values += check_value(v, depth + 1);
    HOLDS(children == json_count(value));
    return values;
}

static void write_out(const struct json *doc, struct buf *out) {
    _cleanup_(json_writer_freep) struct json_writer *w = json_writer_new(out);

    json_write_value(w, json_root(doc), NULL, NULL);
    HOLDS(json_writer_finish(w) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    _cleanup_(freep) char *text = copy_of((const char *) bytes, size);
    _cleanup_(json_freep) struct json *doc = NULL, *again = NULL;
    _cleanup_(buf_done) struct buf once = BUF_MAX(WRITTEN_BYTES_MAX), twice = BUF_MAX(WRITTEN_BYTES_MAX);
    const char *reason = NULL;

    if (json_parse(text, size, &doc, &reason) < 0) {
        HOLDS(!doc && reason && *reason);
        return 0;
    }
    HOLDS(check_value(json_root(doc), 0) <= JSON_VALUES_MAX);
    write_out(doc, &once);
    HOLDS(json_parse(once.data, once.size, &again, &reason) == 0);
    write_out(again, &twice);
    HOLDS(once.size == twice.size && memcmp(once.data, twice.data, once.size) == 0);
    return 0;
}
