#include "cli/cli.h"

#include <errno.h>

#include "base/clock.h"

enum { WATCH, JSON };
enum { ITEM, VALUE, ATTENTION };

static const struct cli_option options[] = {
    [WATCH] = {"watch", NULL, "Show it again every two seconds, until Ctrl-C."},
    [JSON] = {"json", NULL, "As JSON, on one line."},
    {0},
};

static int once(struct cli *cli, bool json, bool clear) {
    _cleanup_(pg_result_freep) struct pg_result *rows = cli_query(cli, QUERY_CLI_STATUS, NULL, "status");
    int status = EXIT_DONE;

    if (!rows)
        return EXIT_NO;
    for (size_t i = 0; i < pg_rows(rows); i++)
        if (pg_text(rows, i, ATTENTION))
            status = EXIT_NO;
    if (clear)
        printf("\033[H\033[2J");
    if (json)
        (void) cli_print_json(rows);
    else
        cli_print_table(rows, CLI_WRAP, ATTENTION);
    (void) fflush(stdout);
    return status;
}

static int run(struct cli *cli, const struct cli_arguments *arguments) {
    bool json = arguments->option[JSON], watch = arguments->option[WATCH];
    bool clear = watch && !json && isatty(STDOUT_FILENO);
    int status;

    if (watch)
        cli_hold_interrupts();
    status = once(cli, json, clear);
    while (watch) {
        if (cli_pause(cli, 2 * USEC_PER_SEC) == -EINTR)
            break;
        status = once(cli, json, clear);
    }
    return status;
}

const struct verb verb_status = {
    .name = "status",
    .synopsis = "[--watch] [--json]",
    .summary = "Show how it stands; exit status 1 when something needs a person",
    .options = options,
    .run = run,
};
