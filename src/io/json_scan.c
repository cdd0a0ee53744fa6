#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "io/json_internal.h"

enum {
    SCAN_KEY_BYTES = 64,
    SCAN_TEXT_BYTES_MAX = 4 * 1024,
    SCAN_TOKEN_BYTES_MAX = 4 * 1024 * 1024, /* yajl holds one string as a whole, if it comes in pieces */
};

struct step {
    bool is_array;
    char key[SCAN_KEY_BYTES]; /* the current one; a longer key, which is none that we look for, is "" */
};

struct json_scan {
    const struct json_scan_handler *handler;
    void *userdata;
    struct json_engine *engine;
    struct step steps[JSON_DEPTH_MAX];
    size_t depth;
    size_t since_event; /* bytes */
    int error;          /* of the handler, or -EBADMSG: a bound */
    struct buf text;
};

static int stop(struct json_scan *s, int error) {
    s->error = error;
    return 0;
}

static int tell(struct json_scan *s, const char *text) {
    int r = s->handler->on_text(s, text, s->userdata);

    s->since_event = 0;
    return r < 0 ? stop(s, r) : 1;
}

static int on_null(void *reader) {
    struct json_scan *s = reader;

    s->since_event = 0;
    return 1;
}

static int on_bool(void *reader, int truth) {
    return tell(reader, truth ? "true" : "false");
}

static int on_string(void *reader, const unsigned char *text, size_t size) {
    struct json_scan *s = reader;
    int r;

    buf_clear(&s->text);
    r = text_append_utf8(&s->text, (const char *) text, size, s->text.max);
    return r < 0 ? stop(s, r) : tell(s, buf_string(&s->text));
}

static int on_number(void *reader, const char *text, size_t size) {
    return on_string(reader, (const unsigned char *) text, size);
}

static int open_step(struct json_scan *s, bool is_array) {
    s->since_event = 0;
    if (s->depth >= JSON_DEPTH_MAX)
        return stop(s, -EBADMSG);
    s->steps[s->depth++] = (struct step) {.is_array = is_array};
    return 1;
}

static int on_object(void *reader) {
    return open_step(reader, false);
}

static int on_array(void *reader) {
    return open_step(reader, true);
}

static int on_key(void *reader, const unsigned char *text, size_t size) {
    struct json_scan *s = reader;
    char *key = s->steps[s->depth - 1].key;

    s->since_event = 0;
    key[0] = '\0';
    if (size < SCAN_KEY_BYTES && !memchr(text, '\0', size)) {
        memcpy(key, text, size);
        key[size] = '\0';
    }
    return 1;
}

static int on_end(void *reader) {
    struct json_scan *s = reader;
    int r;

    s->since_event = 0;
    s->depth--;
    r = s->handler->on_end(s, s->userdata);
    return r < 0 ? stop(s, r) : 1;
}

static const struct json_events events = {
    .on_null = on_null,
    .on_bool = on_bool,
    .on_number = on_number,
    .on_string = on_string,
    .on_object = on_object,
    .on_key = on_key,
    .on_array = on_array,
    .on_end = on_end,
};

struct json_scan *json_scan_new(const struct json_scan_handler *handler, void *userdata) {
    _cleanup_(json_scan_freep) struct json_scan *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->handler = handler;
    s->userdata = userdata;
    s->text = BUF_MAX(SCAN_TEXT_BYTES_MAX);
    s->engine = json_engine_new(&events, s);
    return s->engine ? TAKE_PTR(s) : NULL;
}

struct json_scan *json_scan_free(struct json_scan *s) {
    if (!s)
        return NULL;
    json_engine_free(s->engine);
    buf_done(&s->text);
    free(s);
    return NULL;
}

static int scan_result(const struct json_scan *s, int r) {
    return r == -ECANCELED ? s->error : r;
}

int json_scan_feed(struct json_scan *s, const char *text, size_t size) {
    int r;

    s->since_event += size;
    r = scan_result(s, json_engine_feed(s->engine, text, size));
    return r >= 0 && s->since_event > SCAN_TOKEN_BYTES_MAX ? -EBADMSG : r;
}

int json_scan_finish(struct json_scan *s) {
    return scan_result(s, json_engine_finish(s->engine));
}

size_t json_scan_depth(const struct json_scan *s) {
    return s->depth;
}

bool json_scan_steps_are(const struct json_scan *s, size_t from, size_t to, const char *path) {
    if (to > s->depth)
        return false;
    for (size_t i = from; i < to; i++) {
        size_t size = strcspn(path, ".");
        bool is_any = size == 1 && *path == '*';

        if (size == 0 || (!is_any && (s->steps[i].is_array || strlen(s->steps[i].key) != size ||
                                      memcmp(s->steps[i].key, path, size) != 0)))
            return false;
        path += size + (path[size] == '.');
    }
    return *path == '\0';
}

bool json_scan_is_at(const struct json_scan *s, size_t from, const char *path) {
    return json_scan_steps_are(s, from, s->depth, path);
}
