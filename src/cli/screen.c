#include "cli/screen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/text.h"
#include "io/qr.h"

enum { QUIET_MODULES = 4, QUIET_MODULES_MIN = 2, TEXT_LINES = 2 };

#define HOW_TO_SCAN "On the telephone, in WhatsApp: Settings, Linked devices, Link a device"

/* Black on white, from the palette that no theme changes. */
#define DARK_ON_LIGHT "\033[38;5;16;48;5;231m"
#define PLAIN "\033[0m"

#define UPPER "▀"
#define LOWER "▄"
#define BOTH "█"

/* Two modules, one above the other. ink: the kind of module that is drawn, the other one is the ground. */
static const char *half_blocks(const struct qr *qr, ptrdiff_t row, ptrdiff_t column, bool ink) {
    bool upper = qr_is_dark(qr, row, column) == ink, lower = qr_is_dark(qr, row + 1, column) == ink;

    return upper && lower ? BOTH : upper ? UPPER : lower ? LOWER : " ";
}

static void append_code(struct buf *out, const struct qr *qr, size_t quiet_modules, bool colour) {
    ptrdiff_t quiet = (ptrdiff_t) quiet_modules, end = (ptrdiff_t) qr->side + quiet;

    for (ptrdiff_t row = -quiet; row < end; row += 2) {
        (void) buf_append_string(out, colour ? DARK_ON_LIGHT : "");
        for (ptrdiff_t column = -quiet; column < end; column++)
            (void) buf_append_string(out, half_blocks(qr, row, column, colour));
        (void) buf_append_string(out, colour ? PLAIN "\n" : "\n");
    }
}

static struct room room_of(const struct qr *qr, size_t quiet) {
    size_t side = qr->side + 2 * quiet;

    return (struct room) {.columns = side, .lines = (side + 1) / 2};
}

static bool fits(struct room needed, struct room room) {
    return (room.columns == 0 || needed.columns <= room.columns) && (room.lines == 0 || needed.lines <= room.lines);
}

int screen_draw_code(struct buf *out, const char *code, bool colour, struct room room, struct room *ret_taken) {
    _cleanup_(qr_freep) struct qr *qr = NULL;
    size_t quiet = QUIET_MODULES;
    int r = qr_new(code, &qr);

    if (r < 0)
        return r;
    while (quiet > QUIET_MODULES_MIN && !fits(room_of(qr, quiet), room))
        quiet--;
    *ret_taken = room_of(qr, quiet);
    if (!fits(*ret_taken, room))
        return -ERANGE;
    append_code(out, qr, quiet, colour);
    return buf_error(out);
}

/* --- in place --- */

static struct room terminal_room(void) {
    struct winsize window;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) < 0)
        return (struct room) {0};
    return (struct room) {.columns = window.ws_col, .lines = window.ws_row};
}

/* Instead of a code that there is no room for: what it says, to make one of. Returns how many lines that is. */
static size_t append_text(struct buf *out, const char *code, struct room needed, struct room room) {
    size_t size = out->size, lines = 0;

    if (needed.columns > 0)
        (void) buf_printf(out, "The terminal is too small for the QR code: that takes %zu columns and %zu lines. Enlarge it.\n",
                          needed.columns, needed.lines + TEXT_LINES);
    else
        (void) buf_append_string(out, "The QR code could not be drawn.\n");
    (void) buf_append_string(out, "What it says, which is as good as a key:\n");
    (void) text_append_printable(out, code, SCREEN_BYTES_MAX / 2);
    (void) buf_append_char(out, '\n');
    for (const char *line = buf_string(out) + size; *line; line += strcspn(line, "\n") + 1)
        lines += room.columns > 0 && line[0] != '\n' ? (strcspn(line, "\n") + room.columns - 1) / room.columns : 1;
    return lines;
}

static void draw(struct screen *s, const char *code) {
    _cleanup_(buf_done) struct buf out = BUF_MAX(SCREEN_BYTES_MAX);
    struct room below = s->room, taken = {0};
    int r;

    if (below.lines > 0)
        below.lines = below.lines > TEXT_LINES ? below.lines - TEXT_LINES : 1;
    r = screen_draw_code(&out, code, true, below, &taken);
    if (r < 0) {
        buf_clear(&out);
        taken.lines = append_text(&out, code, r == -ERANGE ? taken : (struct room) {0}, s->room);
    }
    (void) buf_append_string(&out, "\033[?7l" HOW_TO_SCAN "\033[?7h\n");
    s->lines_above = taken.lines + 1;
    (void) fputs(buf_string(&out), stdout);
}

void screen_erase(struct screen *s) {
    if (s->lines_above > 0)
        printf("\033[%zuA", s->lines_above);
    printf("\r\033[J");
    (void) fflush(stdout);
    free(s->code);
    *s = (struct screen) {0};
}

static bool is_same(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

void screen_show(struct screen *s, const char *code, const char *line) {
    struct room room = terminal_room();
    bool is_resized = s->code && (room.columns != s->room.columns || room.lines != s->room.lines);

    if (is_resized || !is_same(code, s->code)) {
        if (is_resized)
            printf("\033[H\033[2J"); /* lines may have been broken since: nobody knows where the first one is */
        else
            screen_erase(s);
        free(s->code);
        *s = (struct screen) {.room = room, .code = code ? strdup(code) : NULL};
        if (code)
            draw(s, code);
    }
    printf("\r\033[?7l%s\033[K\033[?7h", line);
    (void) fflush(stdout);
}
