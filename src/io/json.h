/* JSON: the only user of yajl (its SAX interface; yajl_tree overflows the stack on deep nesting).
 *
 * Reading gives an immutable document: depth, size and number of values are bounded, strings are valid UTF-8 and hold no NUL
 * (U+0000 becomes U+FFFD). Writing appends to a buf, and escapes every string itself. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"

enum {
    JSON_DEPTH_MAX = 32,
    JSON_VALUES_MAX = 128 * 1024, /* of a webhook as large as one may be: Meta's have a value in 25 bytes */
    JSON_BYTES_MAX = 4 * 1024 * 1024,
};

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json;       /* a document; owns all its values */
struct json_value; /* a value in a document; borrowed until the document is freed */

/* Parses the whole text. -EBADMSG: not JSON, not UTF-8, or beyond a bound, and then *reterr_reason (static text) says which. */
int json_parse(const char *text, size_t size, struct json **ret, const char **reterr_reason) _must_check_;
struct json *json_free(struct json *doc);
DEFINE_CLEANUP(struct json *, json_free)

const struct json_value *json_root(const struct json *doc);

/* The value at a path of object keys and array indexes joined by dots ("messages.0.id"; "" is the value itself), or NULL.
 * NULL for value is allowed and gives NULL, so that look-ups can be chained. The first of two equal keys counts. */
const struct json_value *json_at(const struct json_value *value, const char *path);

enum json_type json_type(const struct json_value *value);

/* The text of a string or of a number (as it was written), else NULL. Borrowed. */
const char *json_text(const struct json_value *value);

/* json_text(json_at(value, path)). */
const char *json_text_at(const struct json_value *value, const char *path);

/* An integer written as number or as string of digits. -ENOENT where there is none, -EINVAL where it is something else. */
int json_int_at(const struct json_value *value, const char *path, int64_t *ret);

/* Whether the value at the path is the literal true. */
bool json_is_true_at(const struct json_value *value, const char *path);

/* Children of an array or object, in order: for (v = json_first(a); v; v = json_next(v)). */
const struct json_value *json_first(const struct json_value *value);
const struct json_value *json_next(const struct json_value *value);
size_t json_count(const struct json_value *value);

/* The key under which the value stands in its object, or NULL. */
const char *json_key(const struct json_value *value);

/* Reading a document piece by piece, without keeping it: what it costs does not hang on how long it is. */
struct json_scan;

struct json_scan_handler {
    /* A string or number as it was written, "true" or "false", at the place where the scan stands. Long ones are cut. */
    int (*on_text)(const struct json_scan *s, const char *text, void *userdata);
    /* The object or array where the scan stands is over. */
    int (*on_end)(const struct json_scan *s, void *userdata);
};

/* handler: static. NULL: no memory. */
struct json_scan *json_scan_new(const struct json_scan_handler *handler, void *userdata);
struct json_scan *json_scan_free(struct json_scan *s);
DEFINE_CLEANUP(struct json_scan *, json_scan_free)

/* The next piece. -EBADMSG: not JSON, or beyond a bound; -ENOMEM; or what the handler returned. What failed stays so. */
int json_scan_feed(struct json_scan *s, const char *text, size_t size) _must_check_;

/* There is no more. -EBADMSG: something is missing. */
int json_scan_finish(struct json_scan *s) _must_check_;

/* How many steps lead from the root to where the scan stands. */
size_t json_scan_depth(const struct json_scan *s);

/* Whether there are steps from the one to before the other, and they are these: keys joined by dots, '*' for any; "" for none. An
 * element of an array is '*'. */
bool json_scan_steps_are(const struct json_scan *s, size_t from, size_t to, const char *path);

/* The same of all steps from the one on: whether the scan stands there. */
bool json_scan_is_at(const struct json_scan *s, size_t from, const char *path);

/* A writer; errors stick and come out of json_writer_free() and of buf_error(). */
struct json_writer;

/* Appends to out, which must outlive the writer. NULL without memory; every json_write_* takes NULL and does nothing. */
struct json_writer *json_writer_new(struct buf *out);

/* 0 when a complete document was written, else a negative errno. */
int json_writer_finish(struct json_writer *w) _must_check_;
struct json_writer *json_writer_free(struct json_writer *w);
DEFINE_CLEANUP(struct json_writer *, json_writer_free)

void json_write_object(struct json_writer *w);
void json_write_object_end(struct json_writer *w);
void json_write_array(struct json_writer *w);
void json_write_array_end(struct json_writer *w);
void json_write_key(struct json_writer *w, const char *key);
void json_write_string(struct json_writer *w, const char *text); /* NULL writes null */
void json_write_int(struct json_writer *w, int64_t number);
void json_write_bool(struct json_writer *w, bool truth);
void json_write_null(struct json_writer *w);

/* key and string in one. */
void json_write_member(struct json_writer *w, const char *key, const char *text);

/* A value of another document, as it is; map (may be NULL) is asked for the text to write in place of each string, keys not
 * among them. What it returns is borrowed until its next call; NULL keeps the string. */
typedef const char *(*json_map_fn)(const char *text, void *userdata);
void json_write_value(struct json_writer *w, const struct json_value *value, json_map_fn map, void *userdata);
