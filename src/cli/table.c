#include "cli/cli.h"

#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <string.h>
#include <sys/ioctl.h>
#include <wchar.h>

#include "base/text.h"
#include "io/json.h"

enum {
    COLUMNS_MAX = 40,
    GAP = 2, /* between columns */
    COLUMN_WIDTH_MIN = 8, /* narrower than this no column is cut */
    CELL_BYTES_MAX = 64 * 1024,
    JSON_TEXT_BYTES_MAX = 256 * 1024 * 1024,
};

struct table {
    const struct pg_result *rows;
    size_t columns;
    size_t width[COLUMNS_MAX];
    bool right[COLUMNS_MAX];
    size_t alarm;
    bool colour;
    size_t owed; /* spaces before the next text: none stand at the end of a line */
};

bool cli_has_colour(FILE *stream) {
    const char *no_colour = getenv("NO_COLOR");

    return isatty(fileno(stream)) && !(no_colour && *no_colour);
}

/* How many cells of a terminal the character at *p takes; moves *p behind it. The locale must be a UTF-8 one. */
static size_t next_width(const char **p) {
    mbstate_t state = {0};
    wchar_t c;
    size_t bytes = mbrtowc(&c, *p, strlen(*p), &state);

    if (bytes == 0 || bytes > MB_LEN_MAX) {
        (*p)++;
        return 1;
    }
    *p += bytes;
    int width = wcwidth(c);
    return width < 0 ? 1 : (size_t) width;
}

static size_t text_width(const char *text) {
    size_t width = 0;

    while (*text)
        width += next_width(&text);
    return width;
}

/* A field on one line: line ends become ↵, other control bytes visible. */
static void cell_text(const char *field, struct buf *out) {
    _cleanup_(buf_done) struct buf line = BUF_MAX(CELL_BYTES_MAX + 8);

    buf_clear(out);
    for (const char *p = field ? field : ""; *p && line.size < CELL_BYTES_MAX; p++)
        if (*p == '\n')
            (void) buf_append_string(&line, "↵");
        else if (*p != '\r')
            (void) buf_append_char(&line, *p == '\t' ? ' ' : *p);
    (void) text_append_printable(out, buf_string(&line), out->max);
}

static void print_cell(struct table *t, size_t column, const char *text, const char *colour) {
    size_t width = text_width(text), limit = t->width[column];
    bool cut = width > limit;
    const char *p = text;

    if (t->right[column] && width < limit)
        t->owed += limit - width;
    if (!*text) {
        t->owed += (t->right[column] ? 0 : limit) + GAP;
        return;
    }
    printf("%*s", (int) t->owed, "");
    if (colour)
        printf("%s", colour);
    if (cut) {
        for (width = 0; *p;) {
            const char *next = p;
            size_t w = next_width(&next);
            if (width + w + 1 > limit)
                break;
            width += w;
            p = next;
        }
        printf("%.*s…", (int) (p - text), text);
        width++;
    } else
        printf("%s", text);
    if (colour)
        printf("\033[0m");
    t->owed = GAP + (!t->right[column] && width < limit ? limit - width : 0);
}

static void measure(struct table *t) {
    _cleanup_(buf_done) struct buf cell = BUF_MAX(4 * CELL_BYTES_MAX);

    for (size_t c = 0; c < t->columns; c++) {
        t->width[c] = text_width(pg_column_name(t->rows, c));
        t->right[c] = pg_column_type(t->rows, c) == PG_INT;
        for (size_t r = 0; r < pg_rows(t->rows); r++) {
            cell_text(pg_text(t->rows, r, c), &cell);
            size_t width = text_width(buf_string(&cell));
            if (width > t->width[c])
                t->width[c] = width;
        }
    }
}

/* The widest columns give way until the line fits the terminal. */
static void fit(struct table *t) {
    struct winsize window;

    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) < 0 || window.ws_col == 0)
        return;
    for (;;) {
        size_t total = GAP * (t->columns - 1), widest = 0;
        for (size_t c = 0; c < t->columns; c++) {
            total += t->width[c];
            if (t->width[c] > t->width[widest])
                widest = c;
        }
        if (total <= window.ws_col || t->width[widest] <= COLUMN_WIDTH_MIN)
            return;
        size_t excess = total - window.ws_col, most = t->width[widest] - COLUMN_WIDTH_MIN;
        t->width[widest] -= excess > 64 && most > 64 ? 64 : 1;
    }
}

static void print_rows(struct table *t) {
    _cleanup_(buf_done) struct buf cell = BUF_MAX(4 * CELL_BYTES_MAX);

    for (size_t c = 0; c < t->columns; c++)
        print_cell(t, c, pg_column_name(t->rows, c), t->colour ? "\033[1m" : NULL);
    printf("\n");
    for (size_t r = 0; r < pg_rows(t->rows); r++) {
        t->owed = 0;
        for (size_t c = 0; c < t->columns; c++) {
            const char *field = pg_text(t->rows, r, c);
            cell_text(field, &cell);
            print_cell(t, c, buf_string(&cell), t->colour && c == t->alarm && field ? "\033[33m" : NULL);
        }
        printf("\n");
    }
}

int cli_print_table(const struct pg_result *rows, size_t alarm) {
    struct table t = {.rows = rows, .columns = pg_columns(rows), .alarm = alarm, .colour = cli_has_colour(stdout)};
    /* Of this thread only: nothing else is to depend on the user's locale. */
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t) 0);
    locale_t before = utf8 ? uselocale(utf8) : (locale_t) 0;

    if (t.columns > COLUMNS_MAX)
        t.columns = COLUMNS_MAX;
    measure(&t);
    fit(&t);
    print_rows(&t);
    if (utf8) {
        (void) uselocale(before);
        freelocale(utf8);
    }
    return 0;
}

static void write_field(struct json_writer *w, const struct pg_result *rows, size_t row, size_t column) {
    enum pg_type type = pg_column_type(rows, column);

    json_write_key(w, pg_column_name(rows, column));
    if (!pg_text(rows, row, column))
        json_write_null(w);
    else if (type == PG_INT)
        json_write_int(w, pg_int(rows, row, column, 0));
    else if (type == PG_BOOL)
        json_write_bool(w, pg_bool(rows, row, column));
    else
        json_write_string(w, pg_text(rows, row, column));
}

int cli_print_json(const struct pg_result *rows) {
    _cleanup_(buf_done) struct buf out = BUF_MAX(JSON_TEXT_BYTES_MAX);
    _cleanup_(json_writer_freep) struct json_writer *w = json_writer_new(&out);

    json_write_array(w);
    for (size_t r = 0; r < pg_rows(rows); r++) {
        json_write_object(w);
        for (size_t c = 0; c < pg_columns(rows); c++)
            write_field(w, rows, r, c);
        json_write_object_end(w);
    }
    json_write_array_end(w);
    if (!w || json_writer_finish(w) < 0)
        return cli_error("the rows do not fit into memory");
    printf("%s\n", buf_string(&out));
    return EXIT_DONE;
}
