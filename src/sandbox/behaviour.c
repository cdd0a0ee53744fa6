#include "sandbox/behaviour.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/backoff.h"
#include "base/clock.h"

enum { RULES_MAX = 16, LATENCY_MS_MAX = 600000, RETRY_AFTER_SEC_MAX = 86400 };

static const char *const mode_names[MODE_COUNT] = {
    "normal", "hang", "cut_before", "cut_after", "garbage", "empty", "huge", "deep", "drip", "truncated",
};

struct rule {
    const struct json_value *source; /* NULL: all defaults */
    double latency_ms, error_rate, error_status, error_code, retry_after_sec, status, mode_rate;
    enum behaviour_mode mode;
    const struct json_value *recipients, *disconnected, *only;
};

struct behaviour {
    struct json *document; /* NULL: all defaults */
    bool is_array;
    size_t count;
    struct rule rules[RULES_MAX];
};

/* The numbers a rule may hold. */
struct number_key {
    const char *name;
    size_t offset;
    double min, max, fallback; /* a fallback of -1 is written as null */
    bool is_integer;
};

#define NUMBER(key, low, high, fall_back, integer) \
    {#key, offsetof(struct rule, key), low, high, fall_back, integer}

static const struct number_key number_keys[] = {
    NUMBER(latency_ms, 0, LATENCY_MS_MAX, 0, false),
    NUMBER(error_rate, 0, 1, 0, false),
    NUMBER(error_status, 300, 599, 500, true),
    NUMBER(error_code, 0, 99999999, -1, true),
    NUMBER(retry_after_sec, 0, RETRY_AFTER_SEC_MAX, -1, true),
    NUMBER(status, 300, 599, -1, true),
    NUMBER(mode_rate, 0, 1, 1, false),
};

static double *number_of(struct rule *rule, const struct number_key *key) {
    return (double *) ((char *) rule + key->offset);
}

static void rule_init(struct rule *rule) {
    *rule = (struct rule) {0};
    for (size_t i = 0; i < ELEMENTSOF(number_keys); i++)
        *number_of(rule, &number_keys[i]) = number_keys[i].fallback;
}

int behaviour_new(struct behaviour **ret) {
    struct behaviour *b = calloc(1, sizeof(*b));
    if (!b)
        return -ENOMEM;
    b->count = 1;
    rule_init(&b->rules[0]);
    *ret = b;
    return 0;
}

struct behaviour *behaviour_free(struct behaviour *b) {
    if (b)
        json_free(b->document);
    free(b);
    return NULL;
}

static int refuse(struct buf *reterr, const char *key, const char *what) {
    (void) buf_printf(reterr, "\"%s\" %s", key, what);
    return -EINVAL;
}

/* A number of the JSON document; its text is at most as long as a request. */
static int read_number(const struct json_value *value, const struct number_key *key, double *ret, struct buf *reterr) {
    if (json_type(value) == JSON_NULL) {
        *ret = key->fallback;
        return 0;
    }
    double number = json_type(value) == JSON_NUMBER ? strtod(json_text(value), NULL) : NAN;
    if (!(number >= key->min && number <= key->max) || (key->is_integer && number != (double) (int64_t) number)) {
        (void) buf_printf(reterr, "\"%s\" must be %s from %.0f to %.0f", key->name,
                          key->is_integer ? "a whole number" : "a number", key->min, key->max);
        return -EINVAL;
    }
    *ret = number;
    return 0;
}

static int read_mode(const struct json_value *value, enum behaviour_mode *ret, struct buf *reterr) {
    const char *text = json_type(value) == JSON_STRING ? json_text(value) : "";
    for (int m = 0; m < MODE_COUNT; m++)
        if (strcmp(text, mode_names[m]) == 0) {
            *ret = m;
            return 0;
        }
    (void) buf_append_string(reterr, "\"mode\" must be one of");
    for (int m = 0; m < MODE_COUNT; m++)
        (void) buf_printf(reterr, "%s %s", m ? "," : "", mode_names[m]);
    return -EINVAL;
}

/* {"+8801…": {"status": 400, "code": 131026}, …} */
static int check_recipients(const struct json_value *map, struct buf *reterr) {
    if (json_type(map) != JSON_OBJECT)
        return refuse(reterr, "recipients", "must be an object");
    for (const struct json_value *v = json_first(map); v; v = json_next(v)) {
        int64_t status;
        if (json_type(v) != JSON_OBJECT || json_int_at(v, "status", &status) < 0 || status < 300 || status > 599)
            return refuse(reterr, "recipients", "needs for each recipient an object with a \"status\" from 300 to 599");
        for (const struct json_value *k = json_first(v); k; k = json_next(k)) {
            int64_t code;
            if (strcmp(json_key(k), "status") == 0)
                continue;
            if (strcmp(json_key(k), "code") != 0)
                return refuse(reterr, json_key(k), "is not known here; a recipient has \"status\" and \"code\"");
            if (json_int_at(k, "", &code) < 0)
                return refuse(reterr, "code", "must be a whole number");
        }
    }
    return 0;
}

static int check_disconnected(const struct json_value *list, struct buf *reterr) {
    if (json_type(list) != JSON_ARRAY)
        return refuse(reterr, "disconnected_sessions", "must be an array of texts");
    for (const struct json_value *v = json_first(list); v; v = json_next(v))
        if (json_type(v) != JSON_STRING)
            return refuse(reterr, "disconnected_sessions", "must be an array of texts");
    return 0;
}

static int check_only(const struct json_value *only, struct buf *reterr) {
    if (json_type(only) != JSON_OBJECT)
        return refuse(reterr, "only", "must be an object");
    for (const struct json_value *v = json_first(only); v; v = json_next(v)) {
        const char *key = json_key(v);
        if (strcmp(key, "gateway") != 0 && strcmp(key, "sender") != 0 && strcmp(key, "recipient") != 0)
            return refuse(reterr, key, "is not known in \"only\", which has \"gateway\", \"sender\" and \"recipient\"");
        if (json_type(v) != JSON_STRING)
            return refuse(reterr, key, "must be a text");
    }
    return 0;
}

static int rule_set(struct rule *rule, const struct json_value *value, struct buf *reterr) {
    const char *key = json_key(value);
    for (size_t i = 0; i < ELEMENTSOF(number_keys); i++)
        if (strcmp(key, number_keys[i].name) == 0)
            return read_number(value, &number_keys[i], number_of(rule, &number_keys[i]), reterr);
    if (strcmp(key, "mode") == 0)
        return read_mode(value, &rule->mode, reterr);
    if (strcmp(key, "recipients") == 0) {
        rule->recipients = value;
        return check_recipients(value, reterr);
    }
    if (strcmp(key, "disconnected_sessions") == 0) {
        rule->disconnected = value;
        return check_disconnected(value, reterr);
    }
    if (strcmp(key, "only") == 0) {
        rule->only = value;
        return check_only(value, reterr);
    }
    return refuse(reterr, key, "is not known; known are latency_ms, error_rate, error_status, error_code, retry_after_sec, "
                               "status, recipients, mode, mode_rate, disconnected_sessions and only");
}

static int rule_read(struct rule *rule, const struct json_value *source, struct buf *reterr) {
    rule_init(rule);
    rule->source = source;
    if (json_type(source) != JSON_OBJECT) {
        (void) buf_append_string(reterr, "a behaviour must be a JSON object");
        return -EINVAL;
    }
    for (const struct json_value *v = json_first(source); v; v = json_next(v)) {
        int r = rule_set(rule, v, reterr);
        if (r < 0)
            return r;
    }
    return 0;
}

int behaviour_parse(const char *text, size_t size, struct behaviour **ret, struct buf *reterr) {
    _cleanup_(behaviour_freep) struct behaviour *b = NULL;
    int r = behaviour_new(&b);
    if (r < 0)
        return r;
    const char *reason = NULL;
    r = json_parse(text, size, &b->document, &reason);
    if (r == -EBADMSG) {
        (void) buf_printf(reterr, "the request is no JSON: %s", reason ? reason : "it cannot be read");
        return -EINVAL;
    }
    if (r < 0)
        return r;
    const struct json_value *root = json_root(b->document);
    b->is_array = json_type(root) == JSON_ARRAY;
    if (!b->is_array)
        r = rule_read(&b->rules[0], root, reterr);
    else if (json_count(root) > RULES_MAX) {
        (void) buf_printf(reterr, "at most %d behaviours are kept at a time", RULES_MAX);
        r = -EINVAL;
    } else {
        b->count = 0;
        for (const struct json_value *v = json_first(root); v && r >= 0; v = json_next(v))
            r = rule_read(&b->rules[b->count++], v, reterr);
    }
    if (r < 0)
        return r;
    *ret = TAKE_PTR(b);
    return 0;
}

/* without, with (may be NULL): a session that is left out, and one that is added. */
static void write_disconnected(const struct rule *rule, struct json_writer *w, const char *without, const char *with) {
    json_write_key(w, "disconnected_sessions");
    json_write_array(w);
    for (const struct json_value *v = json_first(rule->disconnected); v; v = json_next(v))
        if (!without || strcmp(json_text(v), without) != 0)
            json_write_string(w, json_text(v));
    if (with)
        json_write_string(w, with);
    json_write_array_end(w);
}

static void rule_write(const struct rule *rule, struct json_writer *w, const char *without, const char *with) {
    json_write_object(w);
    for (size_t i = 0; i < ELEMENTSOF(number_keys); i++) {
        const struct number_key *key = &number_keys[i];
        const struct json_value *given = json_at(rule->source, key->name);
        json_write_key(w, key->name);
        if (given)
            json_write_value(w, given, NULL, NULL);
        else if (key->fallback < 0)
            json_write_null(w);
        else
            json_write_int(w, (int64_t) key->fallback);
    }
    json_write_member(w, "mode", mode_names[rule->mode]);
    json_write_key(w, "recipients");
    if (rule->recipients)
        json_write_value(w, rule->recipients, NULL, NULL);
    else {
        json_write_object(w);
        json_write_object_end(w);
    }
    write_disconnected(rule, w, without, with);
    if (rule->only) {
        json_write_key(w, "only");
        json_write_value(w, rule->only, NULL, NULL);
    }
    json_write_object_end(w);
}

static void write_all(const struct behaviour *b, struct json_writer *w, const char *without, const char *with) {
    if (b->is_array)
        json_write_array(w);
    for (size_t i = 0; i < b->count; i++)
        rule_write(&b->rules[i], w, without, i == 0 ? with : NULL);
    if (b->is_array)
        json_write_array_end(w);
}

void behaviour_write(const struct behaviour *b, struct json_writer *w) {
    write_all(b, w, NULL, NULL);
}

int behaviour_with_session(const struct behaviour *b, const char *session, bool is_disconnected, struct behaviour **ret) {
    _cleanup_(buf_done) struct buf text = BUF_MAX(JSON_BYTES_MAX), error = BUF_MAX(4096);
    _cleanup_(behaviour_freep) struct behaviour *none = NULL;
    _cleanup_(json_writer_freep) struct json_writer *w = json_writer_new(&text);
    int r = behaviour_new(&none);
    if (!w || r < 0)
        return -ENOMEM;
    /* An empty list has no behaviour that could say it. */
    write_all(b->count == 0 ? none : b, w, is_disconnected ? NULL : session, is_disconnected ? session : NULL);
    r = json_writer_finish(w);
    return r < 0 ? r : behaviour_parse(buf_string(&text), text.size, ret, &error);
}

const char *behaviour_disconnected(const struct behaviour *b, size_t at) {
    for (size_t i = 0; i < b->count; i++)
        for (const struct json_value *v = json_first(b->rules[i].disconnected); v; v = json_next(v))
            if (at-- == 0)
                return json_text(v);
    return NULL;
}

bool recipient_is_same(const char *a, const char *b) {
    return strcmp(a + (*a == '+'), b + (*b == '+')) == 0;
}

static bool rule_matches(const struct rule *rule, enum chat_gateway gateway, const char *sender, const char *recipient) {
    const char *only_gateway = json_text_at(rule->only, "gateway");
    const char *only_sender = json_text_at(rule->only, "sender");
    const char *only_recipient = json_text_at(rule->only, "recipient");
    return (!only_gateway || strcmp(only_gateway, chat_gateway_to_string(gateway)) == 0) &&
           (!only_sender || strcmp(only_sender, sender) == 0) &&
           (!only_recipient || recipient_is_same(only_recipient, recipient));
}

static bool roll(double rate) {
    if (rate <= 0 || rate >= 1)
        return rate >= 1;
    return (double) (random_u64() >> 11) * 0x1p-53 < rate;
}

/* The first rule that matches decides; in it, what is said of the recipient, then the fixed status, then the dice. */
struct verdict behaviour_decide(const struct behaviour *b, enum chat_gateway gateway, const char *sender,
                                const char *recipient) {
    struct verdict verdict = {.retry_after_sec = -1};
    const struct rule *rule = NULL;
    for (size_t i = 0; i < b->count && !rule; i++)
        if (rule_matches(&b->rules[i], gateway, sender, recipient))
            rule = &b->rules[i];
    if (!rule)
        return verdict;
    verdict.latency_usec = (uint64_t) (rule->latency_ms * (double) USEC_PER_MSEC);
    verdict.retry_after_sec = (int64_t) rule->retry_after_sec;
    verdict.code = rule->error_code < 0 ? 0 : (int64_t) rule->error_code;
    for (const struct json_value *v = json_first(rule->recipients); v; v = json_next(v))
        if (recipient_is_same(json_key(v), recipient)) {
            int64_t status = 400, code = 0;
            (void) json_int_at(v, "status", &status);
            (void) json_int_at(v, "code", &code);
            verdict.status = (unsigned) status;
            verdict.code = code;
            return verdict;
        }
    if (rule->status > 0)
        verdict.status = (unsigned) rule->status;
    else if (roll(rule->error_rate))
        verdict.status = (unsigned) rule->error_status;
    else if (rule->mode != MODE_NORMAL && roll(rule->mode_rate))
        verdict.mode = rule->mode;
    return verdict;
}

bool behaviour_is_disconnected(const struct behaviour *b, const char *session) {
    const char *one;
    for (size_t at = 0; (one = behaviour_disconnected(b, at)); at++)
        if (strcmp(one, session) == 0)
            return true;
    return false;
}
