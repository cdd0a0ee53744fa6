#include "gateway/mime.h"

#include <stdbool.h>
#include <string.h>

#include "base/base64.h"

enum {
    WORD_BYTES = 36,        /* of text in an encoded word: with a header's name a line stays below 76 */
    QUOTED_LINE_BYTES = 75, /* and then a '=' */
};

#define WHITE " \t\r\n\v\f"

static size_t character_bytes(const char *text) {
    unsigned char c = (unsigned char) *text;

    return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

/* Cut to the longest allowed, and in one line. */
static int append_line(struct buf *b, const char *text) {
    size_t length = 0;
    int r = 0;

    for (; *text && r >= 0; text += character_bytes(text)) {
        if (++length > MIME_SUBJECT_LENGTH_MAX)
            return buf_append_string(b, "…");
        if ((unsigned char) *text < 0x20 || *text == 0x7f)
            r = buf_append_char(b, ' ');
        else
            r = buf_append(b, text, character_bytes(text));
    }
    return r;
}

/* Whether it means what it says: printable ASCII that can't be taken for an encoded word. */
static bool is_plain(const char *text) {
    for (const char *p = text; *p; p++)
        if ((unsigned char) *p >= 0x7f)
            return false;
    return !strstr(text, "=?");
}

/* "=?utf-8?B?…?=", a line each, cut between characters. */
static int append_words(struct buf *b, const char *text) {
    int r = 0;

    while (*text && r >= 0) {
        size_t size = 0;

        while (text[size] && size + character_bytes(text + size) <= WORD_BYTES)
            size += character_bytes(text + size);
        r = buf_append_string(b, "=?utf-8?B?");
        if (r >= 0)
            r = base64_append(b, text, size);
        text += size;
        if (r >= 0)
            r = buf_append_string(b, *text ? "?=\r\n " : "?=");
    }
    return r;
}

int mime_append_header(struct buf *b, const char *name, const char *text) {
    _cleanup_(buf_done) struct buf line = BUF_MAX(4 * (MIME_SUBJECT_LENGTH_MAX + 1));
    int r = append_line(&line, text);

    if (r >= 0)
        r = buf_printf(b, "%s: ", name);
    if (r >= 0)
        r = is_plain(buf_string(&line)) ? buf_append_string(b, buf_string(&line)) : append_words(b, buf_string(&line));
    return r < 0 ? r : buf_append_string(b, "\r\n");
}

int mime_append_first_line(struct buf *b, const char *text) {
    size_t size;

    text += strspn(text, WHITE);
    size = strcspn(text, "\r\n");
    while (size > 0 && strchr(WHITE, text[size - 1]))
        size--;
    return buf_append(b, text, size);
}

static size_t line_end_bytes(const char *text) {
    return text[0] == '\r' && text[1] == '\n' ? 2 : text[0] == '\r' || text[0] == '\n' ? 1 : 0;
}

static bool stands_for_itself(const char *text) {
    char c = *text;

    if (c == ' ' || c == '\t')
        return text[1] != '\0' && line_end_bytes(text + 1) == 0; /* at a line's end it would be lost on the way */
    return c > ' ' && c < 0x7f && c != '=';
}

int mime_append_quoted(struct buf *b, const char *text) {
    size_t column = 0;
    int r = 0;

    while (*text && r >= 0) {
        size_t end = line_end_bytes(text), size = stands_for_itself(text) ? 1 : 3;

        if (end > 0) {
            r = buf_append_string(b, "\r\n");
            column = 0;
            text += end;
            continue;
        }
        if (column + size > QUOTED_LINE_BYTES) {
            r = buf_append_string(b, "=\r\n");
            column = 0;
        }
        if (r >= 0)
            r = size == 1 ? buf_append_char(b, *text) : buf_printf(b, "=%02X", (unsigned) (unsigned char) *text);
        column += size;
        text++;
    }
    return r < 0 || column == 0 ? r : buf_append_string(b, "\r\n");
}
