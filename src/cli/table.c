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

struct column {
    size_t width;
    bool right;
    struct buf text;  /* of the row that is being printed */
    const char *rest; /* what of it is not printed yet */
};

struct table {
    const struct pg_result *rows;
    struct column column[COLUMNS_MAX];
    size_t columns;
    enum cli_table_form form;
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

/* How much of the text stands on a line of that width: all, as much as fits, or (wrapped) whole words. In bytes. */
static size_t line_bytes(const char *text, size_t limit, enum cli_table_form form, size_t *ret_width) {
    const char *end = text, *word = NULL;
    size_t width = 0, word_width = 0;

    if (form == CLI_CUT && text_width(text) > limit)
        limit--; /* for the … */
    while (*end) {
        const char *next = end;
        size_t w = next_width(&next);

        if (width + w > limit)
            break;
        if (*end == ' ' && end != text) {
            word = end;
            word_width = width;
        }
        width += w;
        end = next;
    }
    if (form == CLI_WRAP && *end && *end != ' ' && word) {
        end = word;
        width = word_width;
    }
    *ret_width = width;
    return (size_t) (end - text);
}

/* One line of a cell; the rest waits for the next. */
static void print_cell(struct table *t, struct column *c, const char *colour) {
    size_t width, bytes = line_bytes(c->rest, c->width, t->form, &width);
    bool cut = t->form == CLI_CUT && c->rest[bytes];

    if (c->right)
        t->owed += c->width - width;
    if (bytes == 0 && !cut) {
        t->owed += (c->right ? 0 : c->width) + GAP;
        return;
    }
    printf("%*s%s%.*s%s%s", (int) t->owed, "", colour ?: "", (int) bytes, c->rest, cut ? "…" : "", colour ? "\033[0m" : "");
    t->owed = GAP + (c->right ? 0 : c->width - width - cut);
    c->rest = cut ? "" : c->rest + bytes + strspn(c->rest + bytes, " ");
}

static void measure(struct table *t) {
    _cleanup_(buf_done) struct buf cell = BUF_MAX(4 * CELL_BYTES_MAX);

    for (size_t c = 0; c < t->columns; c++) {
        t->column[c].width = text_width(pg_column_name(t->rows, c));
        t->column[c].right = pg_column_type(t->rows, c) == PG_INT;
        for (size_t r = 0; r < pg_rows(t->rows); r++) {
            cell_text(pg_text(t->rows, r, c), &cell);
            size_t width = text_width(buf_string(&cell));
            if (width > t->column[c].width)
                t->column[c].width = width;
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
            total += t->column[c].width;
            if (t->column[c].width > t->column[widest].width)
                widest = c;
        }
        if (total <= window.ws_col || t->column[widest].width <= COLUMN_WIDTH_MIN)
            return;
        size_t excess = total - window.ws_col, most = t->column[widest].width - COLUMN_WIDTH_MIN;
        t->column[widest].width -= excess > 64 && most > 64 ? 64 : 1;
    }
}

/* What the columns hold, on as many lines as it takes. */
static void print_row(struct table *t, const char *colour, size_t coloured) {
    bool more = true;

    for (size_t c = 0; c < t->columns; c++)
        t->column[c].rest = buf_string(&t->column[c].text);
    while (more) {
        more = false;
        t->owed = 0;
        for (size_t c = 0; c < t->columns; c++) {
            print_cell(t, &t->column[c], c == coloured || coloured == SIZE_MAX ? colour : NULL);
            more = more || *t->column[c].rest;
        }
        printf("\n");
    }
}

static void print_rows(struct table *t) {
    for (size_t c = 0; c < t->columns; c++)
        cell_text(pg_column_name(t->rows, c), &t->column[c].text);
    print_row(t, t->colour ? "\033[1m" : NULL, SIZE_MAX);
    for (size_t r = 0; r < pg_rows(t->rows); r++) {
        for (size_t c = 0; c < t->columns; c++)
            cell_text(pg_text(t->rows, r, c), &t->column[c].text);
        print_row(t, t->colour && t->alarm < t->columns ? "\033[33m" : NULL, t->alarm);
    }
}

void cli_print_table(const struct pg_result *rows, enum cli_table_form form, size_t alarm) {
    struct table t = {.rows = rows, .columns = pg_columns(rows), .form = form, .alarm = alarm, .colour = cli_has_colour(stdout)};
    /* Of this thread only: nothing else is to depend on the user's locale. */
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t) 0);
    locale_t before = utf8 ? uselocale(utf8) : (locale_t) 0;

    if (t.columns > COLUMNS_MAX)
        t.columns = COLUMNS_MAX;
    for (size_t c = 0; c < t.columns; c++)
        t.column[c].text = BUF_MAX(4 * CELL_BYTES_MAX);
    measure(&t);
    fit(&t);
    print_rows(&t);
    for (size_t c = 0; c < t.columns; c++)
        buf_done(&t.column[c].text);
    if (utf8) {
        (void) uselocale(before);
        freelocale(utf8);
    }
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
