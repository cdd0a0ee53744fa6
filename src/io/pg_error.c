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
