#include "cli/hold.h"

enum { DISCARD };

static const struct cli_option options[] = {
    [DISCARD] = {"discard", NULL, "Record what is due now as suppressed, and begin with what comes."},
    {0},
};

static int run(struct cli *cli, const struct cli_arguments *arguments) {
    const char *parameters[] = {NULL, NULL, arguments->option[DISCARD] ? "true" : "false"};
    int r = cli_hold_words(cli->verb, arguments, &parameters[0], &parameters[1]);

    if (r != EXIT_DONE)
        return r;
    _cleanup_(pg_result_freep) struct pg_result *result = cli_query(cli, QUERY_CLI_RESUME, parameters, "resume");
    return result ? cli_print_told(result) : EXIT_NO;
}

const struct verb verb_resume = {
    .name = "resume",
    .synopsis = "[rule|sender|channel|recipient|template NAME] [--discard]",
    .summary = "Lift what pause stopped; for a new rule: begin to send",
    .help = "`pgherald sweep RULE --dry-run` shows first what a rule would send.",
    .options = options,
    .words_max = 2,
    .run = run,
};
