#include "io/config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/closest.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/text.h"

enum { CONFIG_FILE_BYTES_MAX = 64 * 1024, CONFIG_VALUE_BYTES_MAX = 4096, CONFIG_SHOWN_BYTES_MAX = 64 };

enum key_type { KEY_TEXT, KEY_BOOL, KEY_INT, KEY_LEVEL };

struct key {
    const char *name;
    enum key_type type;
    size_t offset;             /* in struct config */
    const char *default_value; /* as it would stand in the file */
    int64_t min, max;          /* of KEY_INT */
    bool is_secret;            /* may hold a password: never shown in an error */
    const char *explanation;
};

#define FIELD(f) offsetof(struct config, f)

/* In alphabetical order, as struct config, the sample file and the manual page have them. */
static const struct key keys[] = {
    {"credentials_dir", KEY_TEXT, FIELD(credentials_dir), "", 0, 0, false,
     "Directory of secrets, one file each, beside those that systemd's LoadCredential= gives."},
    {"dsn", KEY_TEXT, FIELD(dsn), "", 0, 0, true,
     "Connection string of the database; empty means libpq's own PGHOST, PGDATABASE and so on."},
    {"enabled", KEY_BOOL, FIELD(enabled), "true", 0, 0, false,
     "Whether this node plans and sends; WHATSAPP_ENABLED in the environment says the same."},
    {"log_level", KEY_LEVEL, FIELD(log_level), "info", 0, 0, false,
     "Least level of what is logged: debug, info, notice, warning or err."},
    {"max_in_flight", KEY_INT, FIELD(max_in_flight), "64", 1, 1000, false,
     "Most messages on their way to gateways at one time, from 1 to 1000."},
    {"node", KEY_TEXT, FIELD(node), "", 0, 0, false,
     "Name of this daemon among those on the same database; empty means the host name."},
    {"planners", KEY_INT, FIELD(planners), "2", 1, 8, false,
     "Database connections that evaluate rules, from 1 to 8."},
};

struct config *config_free(struct config *c) {
    if (!c)
        return NULL;
    for (size_t i = 0; i < ELEMENTSOF(keys); i++)
        if (keys[i].type == KEY_TEXT)
            free(*(char **) ((char *) c + keys[i].offset));
    free(c);
    return NULL;
}

static const struct key *key_find(const char *name) {
    for (size_t i = 0; i < ELEMENTSOF(keys); i++)
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}

/* The remedy for a key that does not exist. */
static void suggest_key(const char *name, struct buf *reterr) {
    const struct key *best = NULL;
    size_t best_distance = 4; /* further away is no misspelling */

    for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
        size_t distance = closest_distance(name, keys[i].name);

        if (distance < best_distance && distance < strlen(keys[i].name) / 2 + 1) {
            best = &keys[i];
            best_distance = distance;
        }
    }
    if (best) {
        (void) buf_printf(reterr, "; did you mean \"%s\"?", best->name);
        return;
    }
    (void) buf_append_string(reterr, "; there are ");
    for (size_t i = 0; i < ELEMENTSOF(keys); i++)
        (void) buf_printf(reterr, "%s%s", i == 0 ? "" : i + 1 == ELEMENTSOF(keys) ? " and " : ", ", keys[i].name);
    (void) buf_append_char(reterr, '.');
}

/* What a key's value may be: the remedy for one that it may not. */
static void explain_value(const struct key *key, const char *value, struct buf *reterr) {
    if (!key->is_secret) {
        (void) buf_append_string(reterr, "\"");
        (void) text_append_printable(reterr, value, CONFIG_SHOWN_BYTES_MAX);
        (void) buf_append_string(reterr, "\" ");
    }
    switch (key->type) {
    case KEY_BOOL:
        (void) buf_append_string(reterr, "is neither true nor false; write true or false.");
        break;
    case KEY_INT:
        (void) buf_printf(reterr, "is not a whole number from %lld to %lld; write one, %s for instance.",
                          (long long) key->min, (long long) key->max, key->default_value);
        break;
    case KEY_LEVEL:
        (void) buf_append_string(reterr, "is no level; write debug, info, notice, warning or err.");
        break;
    case KEY_TEXT:
        (void) buf_append_string(reterr, "is too long, not UTF-8, or holds a control byte; write one line of text.");
        break;
    }
}

static int set_text(char **field, const char *value) {
    char *copy;

    if (strlen(value) > CONFIG_VALUE_BYTES_MAX || !text_is_header_safe(value) || !text_is_utf8(value, strlen(value)))
        return -EINVAL;
    copy = strdup(value);
    if (!copy)
        return -ENOMEM;
    free(*field);
    *field = copy;
    return 0;
}

static int set_host_name(char **field) {
    char name[256] = "";

    if (gethostname(name, sizeof(name) - 1) < 0 || !*name)
        return set_text(field, "localhost");
    return set_text(field, name);
}

static int key_set(struct config *c, const struct key *key, const char *value) {
    void *field = (char *) c + key->offset;

    switch (key->type) {
    case KEY_TEXT:
        if (!*value && key->offset == FIELD(node))
            return set_host_name(field);
        return set_text(field, value);
    case KEY_BOOL:
        return parse_bool(value, field);
    case KEY_INT:
        return parse_int(value, key->min, key->max, field);
    case KEY_LEVEL:
        return log_level_from_string(value, field);
    }
    return -EINVAL;
}

/* Sets a key; where says where it stands, for the error: "FILE:LINE", or what else there is. */
static int config_set_from(struct config *c, const char *where, const char *name, const char *value, struct buf *reterr) {
    const struct key *key = key_find(name);
    int r;

    if (!key) {
        (void) buf_printf(reterr, "%s: there is no key \"", where);
        (void) text_append_printable(reterr, name, CONFIG_SHOWN_BYTES_MAX);
        (void) buf_append_char(reterr, '"');
        suggest_key(name, reterr);
        return -EINVAL;
    }
    r = key_set(c, key, value);
    if (r == -EINVAL || r == -ERANGE) {
        (void) buf_printf(reterr, "%s: %s: ", where, key->name);
        explain_value(key, value, reterr);
        return -EINVAL;
    }
    return r;
}

int config_set(struct config *c, const char *key, const char *value, struct buf *reterr) {
    return config_set_from(c, "command line", key, value, reterr);
}

static char *trim(char *text) {
    char *end = text + strlen(text);

    while (end > text && isspace((unsigned char) end[-1]))
        *--end = '\0';
    while (isspace((unsigned char) *text))
        text++;
    return text;
}

/* One line: blank, a comment, or "key = value"; a value may stand in double quotes, to begin or end with a space. */
static int config_read_line(struct config *c, const char *where, char *line, struct buf *reterr) {
    char *equals, *name, *value;
    size_t size;

    line = trim(line);
    if (!*line || *line == '#')
        return 0;
    equals = strchr(line, '=');
    if (!equals) {
        (void) buf_printf(reterr, "%s: \"", where);
        /* The first word only: the rest might be a value, and a secret. */
        (void) text_append_printable(reterr, line, strcspn(line, " \t") < 32 ? strcspn(line, " \t") : 32);
        (void) buf_append_string(reterr, "\" is not followed by \"=\"; write a line as \"key = value\".");
        return -EINVAL;
    }
    *equals = '\0';
    name = trim(line);
    value = trim(equals + 1);
    size = strlen(value);
    if (size >= 2 && value[0] == '"' && value[size - 1] == '"') {
        value[size - 1] = '\0';
        value++;
    }
    return config_set_from(c, where, name, value, reterr);
}

static int config_read_lines(struct config *c, const char *path, char *text, struct buf *reterr) {
    unsigned number = 1;
    int r;

    for (char *line = text, *end; line; line = end, number++) {
        _cleanup_(buf_done) struct buf where = BUF_MAX(CONFIG_VALUE_BYTES_MAX + 32);

        end = strchr(line, '\n');
        if (end)
            *end++ = '\0';
        r = buf_printf(&where, "%s:%u", path, number);
        if (r < 0)
            return r;
        r = config_read_line(c, buf_string(&where), line, reterr);
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_whole_file(const char *path, struct buf *text) {
    _cleanup_(closep) int fd = -1;
    char bytes[4096];
    ssize_t n;
    int r;

    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
    for (;;) {
        n = read(fd, bytes, sizeof(bytes));
        if (n == 0)
            return memchr(buf_string(text), '\0', text->size) ? -EILSEQ : 0;
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            r = buf_append(text, bytes, (size_t) n);
            if (r < 0)
                return r;
        }
    }
}

static int config_read_file(struct config *c, const char *path, struct buf *reterr) {
    _cleanup_(buf_wipe) struct buf text = BUF_MAX(CONFIG_FILE_BYTES_MAX);
    const char *file = path ? path : CONFIG_FILE_DEFAULT;
    _cleanup_(freep) char *lines = NULL;
    int r;

    r = read_whole_file(file, &text);
    if (r == -ENOENT && !path)
        return 0;
    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        (void) buf_printf(reterr, "%s: cannot be read: %s; name another file with --config, or mend this one.", file,
                          r == -EMSGSIZE ? "longer than 64 KiB" : r == -EILSEQ ? "it holds a NUL byte" : strerror(-r));
        return r;
    }
    lines = strdup(buf_string(&text));
    if (!lines)
        return -ENOMEM;
    r = config_read_lines(c, file, lines, reterr);
    explicit_bzero(lines, strlen(lines));
    return r;
}

static int config_read_environment(struct config *c, struct buf *reterr) {
    const char *value = getenv("WHATSAPP_ENABLED");
    int r = 0;

    if (value && *value) {
        bool enabled;

        r = parse_bool(value, &enabled);
        if (r < 0) {
            (void) buf_append_string(reterr, "environment variable WHATSAPP_ENABLED: ");
            explain_value(key_find("enabled"), value, reterr);
            return -EINVAL;
        }
        c->enabled = enabled;
    }

    for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
        char variable[64], where[96];

        (void) snprintf(variable, sizeof(variable), "PGHERALD_%s", keys[i].name);
        for (char *s = variable; *s; s++)
            *s = (char) toupper((unsigned char) *s);
        (void) snprintf(where, sizeof(where), "environment variable %s", variable);
        value = getenv(variable);
        if (value)
            r = config_set_from(c, where, keys[i].name, value, reterr);
        if (r < 0)
            return r;
    }
    return 0;
}

int config_load(const char *path, struct config **ret, struct buf *reterr) {
    _cleanup_(config_freep) struct config *c = NULL;
    int r;

    c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
        r = key_set(c, &keys[i], keys[i].default_value);
        if (r < 0)
            return r;
    }
    r = config_read_file(c, path, reterr);
    if (r < 0)
        return r;
    r = config_read_environment(c, reterr);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(c);
    return 0;
}

int config_dump(struct buf *out) {
    for (size_t i = 0; i < ELEMENTSOF(keys); i++)
        (void) buf_printf(out, "%s\t%s\t%s\n", keys[i].name, keys[i].default_value, keys[i].explanation);
    return buf_error(out);
}
