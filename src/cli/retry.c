#include "cli/cli.h"
#include "cli/ids.h"

enum { STATUS, RULE };

static const struct cli_option options[] = {
    [STATUS] = {"status", "S", "All of this send_status: failed, in_doubt, expired, …"},
    [RULE] = {"rule", "R", "With --status: of this rule only."},
    {0},
};

static int run(struct cli *cli, const struct cli_arguments *arguments) {
    const char *const *option = arguments->option;
    bool by_status = option[STATUS];

    if (by_status == (arguments->word_count > 0) || (option[RULE] && !by_status))
        return cli_usage_error(cli->verb, "give either ids, or --status (and with it --rule)");
    if (!by_status)
        return cli_each_id(cli, arguments, QUERY_CLI_RETRY, "will be tried again");

    const char *parameters[] = {option[STATUS], option[RULE]};
    _cleanup_(pg_result_freep) struct pg_result *result = cli_query(cli, QUERY_CLI_RETRY_ALL, parameters, "retry");
    if (!result)
        return EXIT_NO;
    printf("%lld will be tried again\n", (long long) pg_int(result, 0, 0, 0));
    return EXIT_DONE;
}

const struct verb verb_retry = {
    .name = "retry",
    .synopsis = "ID… | --status S [--rule R]",
    .summary = "Try notifications again that failed, or that nobody knows the end of",
    .help = "What is sent again is rendered again from the data that the notification kept.",
    .options = options,
    .words_max = SIZE_MAX,
    .run = run,
};
