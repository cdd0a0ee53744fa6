/* What `pgherald pair` shows: a QR code in half blocks, and below it a line of text. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/cleanup.h"

enum { SCREEN_BYTES_MAX = 256 * 1024 };

/* How much room there is; 0, 0: as much as is wanted. */
struct room {
    size_t columns, lines;
};

/* Appends the code, drawn with a quiet zone of four modules, or as few as two where there is less room, and line ends.
 * colour: dark on light by explicit colours; without, the light modules are what is drawn, for a terminal that is dark.
 * 0, and how much it takes in *ret_taken. -ERANGE: it takes more room than there is, at least *ret_taken. Else a negative errno
 * of qr_new(). */
int screen_draw_code(struct buf *out, const char *code, bool colour, struct room room, struct room *ret_taken) _must_check_;

/* A part of a terminal that is drawn again in place. All zero is an empty one. */
struct screen {
    struct room room;  /* of the terminal, when it was drawn */
    char *code;        /* that is drawn, owned */
    size_t lines_above; /* of the last line, in which the cursor is */
};

/* Shows the code (NULL: none) and the line (printable, cut off at the terminal's width). */
void screen_show(struct screen *s, const char *code, const char *line);

/* Takes away all of it: a code that was scanned, or is given up, is not to stay on the screen. */
void screen_erase(struct screen *s);
