#include "cli/cli.h"
#include "cli/ids.h"

static int run(struct cli *cli, const struct cli_arguments *arguments) {
    const char *parameters[] = {arguments->words[0]};

    if (!cli_are_ids(cli->verb, arguments))
        return EXIT_USAGE;
    _cleanup_(pg_result_freep) struct pg_result *row = cli_query(cli, QUERY_CLI_ROW, parameters, "show");
    if (!row)
        return EXIT_NO;
    if (pg_rows(row) == 0)
        return cli_error("show: there is no notification %s (`pgherald list` shows what there is)", parameters[0]);
    _cleanup_(pg_result_freep) struct pg_result *story = cli_query(cli, QUERY_CLI_SHOW, parameters, "show");
    if (!story)
        return EXIT_NO;
    (void) cli_print_table(row, SIZE_MAX);
    printf("\n");
    return cli_print_table(story, SIZE_MAX);
}

const struct verb verb_show = {
    .name = "show",
    .synopsis = "ID",
    .summary = "Show one notification, and what became of it: why it was sent, or why not",
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
