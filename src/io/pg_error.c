/* Error texts of bounded size: one line, valid UTF-8, cut at a character. */
#include "io/pg_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "base/text.h"

/* White space runs become one space; bytes that are no UTF-8 a '?'. */
static void append(struct pg_error *e, const char *text) {
    size_t used = strlen(e->text), room = sizeof(e->text) - 1;
    bool valid = text_is_utf8(text, strlen(text));
    const char *p = text;

    for (; *p && used < room; p++) {
        if (strchr(" \t\r\n", *p)) {
            if (used > 0 && e->text[used - 1] != ' ')
                e->text[used++] = ' ';
        } else
            e->text[used++] = (!valid && (unsigned char) *p >= 0x80) ? '?' : *p;
    }
    for (; used > 0 && valid && ((unsigned char) *p & 0xc0) == 0x80; p--) /* cut inside a character: drop its beginning */
        used--;
    e->text[used] = '\0';
}

void pg_error_add(struct pg_error *e, const char *text) {
    static const char separator[] = " · ";

    if (!text || !*text)
        return;
    size_t used = strlen(e->text);
    while (used > 0 && e->text[used - 1] == ' ')
        e->text[--used] = '\0';
    if (used > 0) {
        if (used + sizeof(separator) >= sizeof(e->text))
            return;
        memcpy(e->text + used, separator, sizeof(separator));
    }
    append(e, text);
    used = strlen(e->text);
    while (used > 0 && e->text[used - 1] == ' ')
        e->text[--used] = '\0';
}

void pg_error_set(struct pg_error *e, const char *format, ...) {
    char text[4 * PG_ERROR_TEXT_BYTES]; /* longer than what is kept, so that the cut is made at a character */
    va_list args;

    va_start(args, format);
    (void) vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    *e = (struct pg_error) {0};
    pg_error_add(e, text[0] ? text : "no reason was given");
}

/* How libpq (which is never asked for a translation) begins when it can't read a connection string. */
static bool is_about_conninfo(const char *reason) {
    static const char *const beginnings[] = {
        "missing ", "invalid ", "unterminated ", "end of string ", "unexpected ", "extra ", "forbidden ",
    };

    for (size_t i = 0; i < ELEMENTSOF(beginnings); i++)
        if (strncmp(reason, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    return false;
}

/* Whether the text in quotation marks may be, or hold, a part of a password. Names of options hold none; a name of a host does
 * where a password with an @ or a / in it was not written as %40 or %2F. */
static bool may_be_secret(const char *quoted, size_t size, bool in_conninfo) {
    return in_conninfo ? size > 1 : memchr(quoted, '@', size) != NULL;
}

static void append_unquoted(struct buf *out, const char *reason, bool in_conninfo) {
    bool is_option = strncmp(reason, "invalid connection option", strlen("invalid connection option")) == 0;

    for (const char *p = reason, *end; *p; p = end) {
        end = p + strcspn(p, "\"");
        (void) buf_append(out, p, (size_t) (end - p));
        if (!*end)
            break;
        p = end + 1;
        end = in_conninfo && !is_option ? strrchr(p, '"') : strchr(p, '"'); /* a quoted password may hold the mark itself */
        if (!end)
            break;
        if (!is_option && may_be_secret(p, (size_t) (end - p), in_conninfo))
            (void) buf_append_string(out, "\"…\"");
        else
            (void) buf_printf(out, "\"%.*s\"", (int) (end - p), p);
        end++;
    }
}

void pg_error_set_loss(struct pg_error *e, const char *reason, bool is_connecting) {
    _cleanup_(buf_done) struct buf text = BUF_MAX(16 * 1024);
    bool in_conninfo = is_connecting && is_about_conninfo(reason);

    if (!is_connecting) {
        pg_error_set(e, "%s", *reason ? reason : "the connection broke");
        return;
    }
    if (in_conninfo)
        (void) buf_append_string(&text, "the connection string (dsn) can't be read: ");
    append_unquoted(&text, reason, in_conninfo);
    pg_error_set(e, "%s", buf_error(&text) < 0 ? "it could not be connected" : buf_string(&text));
    if (!in_conninfo)
        return;
    pg_error_add(e, "write it as host=… dbname=… user=…, or as postgresql://user@host/dbname; "
                    "in the latter, write @ as %40 and / as %2F");
    (void) snprintf(e->sqlstate, sizeof(e->sqlstate), "%s", PG_BAD_CONNINFO);
}

void pg_error_add_line(struct pg_error *e, const char *script, const char *position_text) {
    int64_t position, line = 1;
    char where[32];

    if (!script || !position_text || parse_int(position_text, 1, INT64_MAX, &position) < 0)
        return;
    for (const char *p = script; *p && position > 1; p++) {
        if (((unsigned char) p[1] & 0xc0) != 0x80) /* p is the last byte of a character */
            position--;
        if (*p == '\n')
            line++;
    }
    (void) snprintf(where, sizeof(where), "line %lld", (long long) line);
    pg_error_add(e, where);
}
