/* Foreign text: what came from a gateway, a row or a person, made fit for where it goes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Whether the bytes are UTF-8 as RFC 3629 has it (no surrogates, no overlong forms) and hold no NUL. */
bool text_is_utf8(const char *bytes, size_t size);

/* Appends the bytes as valid UTF-8 without NUL, every bad byte replaced by U+FFFD, cut at a character boundary so that at
 * most max_bytes are appended: what the database may be given. */
int text_append_utf8(struct buf *b, const char *bytes, size_t size, size_t max_bytes);

/* Appends the text with every control byte (below 0x20, 0x7f, and U+0080..U+009F) shown as \xNN, cut to max_bytes: what a
 * log line or a status line may be given. What would turn the order of the text behind it (U+202E and its kind) is shown as
 * \uNNNN. */
int text_append_printable(struct buf *b, const char *text, size_t max_bytes);

/* Whether the text may stand in an HTTP header value or a URL: no byte below 0x20, no 0x7f. */
bool text_is_header_safe(const char *text);

/* How many Unicode code points the (valid) UTF-8 text has. */
size_t text_length(const char *text);
