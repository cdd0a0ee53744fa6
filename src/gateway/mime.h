/* Mails as text (RFC 5322, 2045, 2047): pure ASCII in lines that end with CR LF, whatever the input holds. */
#pragma once

#include "base/buf.h"

enum { MIME_SUBJECT_LENGTH_MAX = 120 };

/* Appends "NAME: text" as a header. The text, valid UTF-8 of at most MIME_SUBJECT_LENGTH_MAX characters (the rest is cut), is
 * encoded where it is not plain; control bytes, line ends among them, become spaces: it can never be a header more. */
int mime_append_header(struct buf *b, const char *name, const char *text);

/* Appends the first line of a text that is not blank, without spaces around it. */
int mime_append_first_line(struct buf *b, const char *text);

/* Appends the text quoted-printable; each kind of line end becomes CR LF, and there is one at its end. */
int mime_append_quoted(struct buf *b, const char *text);
