#include "io/form.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/text.h"

static bool stands_for_itself(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c != '\0' && strchr("*-._", c));
}

static int append_escaped(struct buf *b, const char *text) {
    int r = 0;

    for (const char *p = text; *p && r >= 0; p++) {
        if (*p == ' ')
            r = buf_append_char(b, '+');
        else if (stands_for_itself(*p))
            r = buf_append_char(b, *p);
        else
            r = buf_printf(b, "%%%02X", (unsigned) (unsigned char) *p);
    }
    return r;
}

int form_append(struct buf *b, const char *name, const char *value) {
    int r = b->size > 0 ? buf_append_char(b, '&') : 0;

    if (r >= 0)
        r = append_escaped(b, name);
    if (r >= 0)
        r = buf_append_char(b, '=');
    return r < 0 ? r : append_escaped(b, value);
}

static int hex_digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* In place: what is decoded is never longer. */
static int decode(char *text) {
    char *to = text;

    for (const char *from = text; *from; from++) {
        if (*from == '%') {
            int high = hex_digit(from[1]), low = high < 0 ? -1 : hex_digit(from[2]);

            if (low < 0 || (high == 0 && low == 0))
                return -EBADMSG;
            *to++ = (char) (high << 4 | low);
            from += 2;
        } else {
            *to++ = *from == '+' ? ' ' : *from;
        }
    }
    *to = '\0';
    return text_is_utf8(text, (size_t) (to - text)) ? 0 : -EBADMSG;
}

static int parse_field(struct form *f, char *text) {
    char *value = strchr(text, '=');

    if (f->count == FORM_FIELDS_MAX)
        return -EBADMSG;
    if (value)
        *value++ = '\0';
    else
        value = text + strlen(text);
    f->fields[f->count++] = (struct form_field) {.name = text, .value = value};
    return decode(text) < 0 || (*value && decode(value) < 0) ? -EBADMSG : 0;
}

int form_parse(const char *text, size_t size, struct form **ret) {
    _cleanup_(form_freep) struct form *f = calloc(1, sizeof(*f));
    char *next;
    int r = 0;

    if (!f)
        return -ENOMEM;
    if (memchr(text, '\0', size))
        return -EBADMSG;
    next = f->text = strndup(text, size);
    if (!f->text)
        return -ENOMEM;
    while (next && r >= 0) {
        char *field = next;

        next = strchr(field, '&');
        if (next)
            *next++ = '\0';
        if (*field)
            r = parse_field(f, field);
    }
    if (r < 0)
        return r;
    *ret = TAKE_PTR(f);
    return 0;
}

struct form *form_free(struct form *f) {
    if (!f)
        return NULL;
    free(f->text);
    free(f);
    return NULL;
}

const char *form_value(const struct form *f, const char *name) {
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->fields[i].name, name) == 0)
            return f->fields[i].value;
    return NULL;
}
