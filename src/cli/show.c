#include "cli/cli.h"
#include "cli/ids.h"

#include <string.h>

/* Pairs of name and value; a value of several lines goes on under its beginning. */
static void print_pairs(const struct pg_result *rows) {
    size_t width = 0;

    for (size_t i = 0; i < pg_rows(rows); i++)
        if (strlen(pg_text(rows, i, 0)) > width)
            width = strlen(pg_text(rows, i, 0));
    for (size_t i = 0; i < pg_rows(rows); i++) {
        const char *name = pg_text(rows, i, 0), *value = pg_text(rows, i, 1) ?: "";
        do {
            _cleanup_(freep) char *line = strndup(value, strcspn(value, "\n"));
            printf("%-*s  ", (int) width, name);
            cli_print_text(stdout, line && *line ? line : "\n");
            value += strcspn(value, "\n");
            name = "";
        } while (*value++ == '\n');
    }
}

static int run(struct cli *cli, const struct cli_arguments *arguments) {
    const char *parameters[] = {arguments->words[0]};

    if (!cli_are_ids(cli->verb, arguments))
        return EXIT_USAGE;
    _cleanup_(pg_result_freep) struct pg_result *row = cli_query(cli, QUERY_CLI_ROW, parameters, "show");
    if (!row)
        return EXIT_NO;
    _cleanup_(pg_result_freep) struct pg_result *story = cli_query(cli, QUERY_CLI_SHOW, parameters, "show");
    if (!story)
        return EXIT_NO;
    print_pairs(row);
    printf("\n");
    cli_print_table(story, CLI_WRAP, SIZE_MAX);
    return EXIT_DONE;
}

const struct verb verb_show = {
    .name = "show",
    .synopsis = "ID",
    .summary = "Show one notification, and what became of it: why it was sent, or why not",
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
