#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

int cli_error(const char *format, ...) {
    _cleanup_(buf_done) struct buf raw = BUF_MAX(16384);
    _cleanup_(buf_done) struct buf line = BUF_MAX(65536);
    va_list args;

    va_start(args, format);
    (void) buf_vprintf(&raw, format, args);
    va_end(args);
    (void) text_append_printable(&line, buf_string(&raw), raw.size);
    fprintf(stderr, "pgherald: %s\n", buf_string(&line));
    return EXIT_NO;
}

void cli_print_text(FILE *to, const char *text) {
    while (*text) {
        _cleanup_(buf_done) struct buf line = BUF_MAX(1024 * 1024);
        _cleanup_(buf_done) struct buf shown = BUF_MAX(4 * 1024 * 1024);
        size_t size = strcspn(text, "\n");

        (void) buf_append(&line, text, size);
        (void) text_append_printable(&shown, buf_string(&line), shown.max);
        fprintf(to, "%s\n", buf_string(&shown));
        text += size + (text[size] == '\n');
    }
}

/* What a person can do about it, where the database can't know. */
static const char *remedy(const struct pg_error *error) {
    static const struct {
        const char *sqlstate;
        const char *text;
    } remedies[] = {
        {"3F000", "run `pgherald migrate` on this database first"},
        {"42P01", "run `pgherald migrate` on this database first"},
        {"42883", "run `pgherald migrate`: the functions in this database are those of another version"},
        {"42501", "connect as a role that is a member of herald_operator (migrate: as an administrator)"},
        {"25006", "connect to the primary: target_session_attrs=read-write"},
    };

    for (size_t i = 0; i < ELEMENTSOF(remedies); i++)
        if (strcmp(remedies[i].sqlstate, error->sqlstate) == 0)
            return remedies[i].text;
    return NULL;
}

int cli_database_error(const char *what, const struct pg_error *error) {
    const char *what_to_do = remedy(error);

    if (what_to_do)
        return cli_error("%s: %s (%s)", what, error->text, what_to_do);
    return cli_error("%s: %s", what, error->text);
}

int cli_connect(struct cli *cli) {
    struct pg_error error;

    if (cli->pg && pg_is_connected(cli->pg))
        return 0;
    if (!cli->pg && pg_new(NULL, cli->config->dsn, cli->verb->name, NULL, NULL, &cli->pg) < 0) {
        (void) cli_error("no memory");
        return -ENOMEM;
    }
    int r = pg_wait_connect(cli->pg, &error);
    if (r < 0)
        (void) cli_error("%s (the database is named by --dsn, by dsn in the configuration, or by PGHOST, PGDATABASE and so on)",
                         error.text);
    return r;
}

struct pg_result *cli_query(struct cli *cli, enum query query, const char *const *parameters, const char *what) {
    struct pg_error error;
    struct pg_result *result = NULL;

    if (cli_connect(cli) < 0)
        return NULL;
    if (pg_wait_query(cli->pg, query, parameters, &result, &error) < 0) {
        (void) cli_database_error(what, &error);
        return NULL;
    }
    return result;
}
