#include "cli/cli.h"

enum { DRY_RUN };

static const struct cli_option options[] = {
    [DRY_RUN] = {"dry-run", NULL, "Show what it would send, and send nothing."},
    {0},
};

static int dry_run(struct cli *cli, const char *const *parameters) {
    _cleanup_(pg_result_freep) struct pg_result *rows = cli_query(cli, QUERY_CLI_SWEEP_DRY_RUN, parameters, "sweep");

    if (!rows)
        return EXIT_NO;
    if (pg_rows(rows) == 0)
        printf("nothing is due that was not told already\n");
    else
        (void) cli_print_table(rows, SIZE_MAX);
    return EXIT_DONE;
}

static int run(struct cli *cli, const struct cli_arguments *arguments) {
    const char *parameters[] = {arguments->words[0]};

    if (arguments->option[DRY_RUN])
        return dry_run(cli, parameters);
    _cleanup_(pg_result_freep) struct pg_result *result = cli_query(cli, QUERY_CLI_SWEEP, parameters, "sweep");
    if (!result)
        return EXIT_NO;
    int64_t rules = pg_int(result, 0, 0, 0);
    printf("%lld %s will be swept now\n", (long long) rules, rules == 1 ? "rule" : "rules");
    return EXIT_DONE;
}

const struct verb verb_sweep = {
    .name = "sweep",
    .synopsis = "[RULE] [--dry-run]",
    .summary = "Have one rule, or all, look at their whole source now",
    .options = options,
    .words_max = 1,
    .run = run,
};
