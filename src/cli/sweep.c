#include "cli/cli.h"

enum { DRY_RUN };

static const struct cli_option options[] = {
    [DRY_RUN] = {"dry-run", NULL, "Show what it would send, and send nothing."},
    {0},
};

static int dry_run(struct cli *cli, const char *rule) {
    const char *parameters[] = {rule};
    _cleanup_(pg_result_freep) struct pg_result *rows = cli_query(cli, QUERY_CLI_SWEEP_DRY_RUN, parameters, rule);

    if (!rows)
        return EXIT_NO;
    if (pg_rows(rows) == 0)
        printf("nothing is due that was not told already\n");
    else
        cli_print_table(rows, CLI_CUT, SIZE_MAX);
    return EXIT_DONE;
}

static int dry_run_all(struct cli *cli) {
    _cleanup_(pg_result_freep) struct pg_result *rules = cli_query(cli, QUERY_CLI_RULES, NULL, "sweep");
    int status = EXIT_DONE;

    if (!rules)
        return EXIT_NO;
    if (pg_rows(rules) == 0)
        printf("there is no rule\n");
    for (size_t i = 0; i < pg_rows(rules); i++) {
        printf("%srule %s\n", i > 0 ? "\n" : "", pg_text(rules, i, 0));
        if (dry_run(cli, pg_text(rules, i, 0)) != EXIT_DONE)
            status = EXIT_NO;
    }
    return status;
}

static int run(struct cli *cli, const struct cli_arguments *arguments) {
    const char *parameters[] = {arguments->words[0]};

    if (arguments->option[DRY_RUN])
        return parameters[0] ? dry_run(cli, parameters[0]) : dry_run_all(cli);
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
