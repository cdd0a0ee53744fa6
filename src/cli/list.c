#include "cli/cli.h"

#include "base/parse.h"

enum { STATUS, RULE, RECIPIENT, SINCE, LIMIT, JSON };

static const struct cli_option options[] = {
    [STATUS] = {"status", "S", "Only this send_status: pending, sending, sent, delivered, read, failed, …"},
    [RULE] = {"rule", "R", "Only of this rule."},
    [RECIPIENT] = {"recipient", "X", "Only to this name, number or group."},
    [SINCE] = {"since", "T", "Only made since then: \"2026-03-01 08:00\", or \"2 hours\"."},
    [LIMIT] = {"limit", "N", "At most so many, the newest first; 50 unless told."},
    [JSON] = {"json", NULL, "As JSON, on one line."},
    {0},
};

static int run(struct cli *cli, const struct cli_arguments *arguments) {
    const char *const *option = arguments->option;
    const char *limit = option[LIMIT] ? option[LIMIT] : "50";
    int64_t number;

    if (parse_int(limit, 1, 1000000, &number) < 0)
        return cli_usage_error(cli->verb, "--limit takes a number from 1 to 1000000");
    const char *parameters[] = {option[STATUS], option[RULE], option[RECIPIENT], option[SINCE], limit};
    _cleanup_(pg_result_freep) struct pg_result *rows = cli_query(cli, QUERY_CLI_LIST, parameters, "list");
    if (!rows)
        return EXIT_NO;
    if (option[JSON])
        return cli_print_json(rows);
    cli_print_table(rows, CLI_CUT, SIZE_MAX);
    return EXIT_DONE;
}

const struct verb verb_list = {
    .name = "list",
    .synopsis = "[--status S] [--rule R] [--recipient X] [--since T] [--limit N] [--json]",
    .summary = "List notifications, the newest first",
    .options = options,
    .run = run,
};
