#include "cli/hold.h"

enum { REASON };

static const struct cli_option options[] = {
    [REASON] = {"reason", "TEXT", "Why, for those who wonder later."},
    {0},
};

static int run(struct cli *cli, const struct cli_arguments *arguments) {
    const char *parameters[] = {NULL, NULL, arguments->option[REASON]};
    int r = cli_hold_words(cli->verb, arguments, &parameters[0], &parameters[1]);

    if (r != EXIT_DONE)
        return r;
    _cleanup_(pg_result_freep) struct pg_result *result = cli_query(cli, QUERY_CLI_PAUSE, parameters, "pause");
    if (!result)
        return EXIT_NO;
    if (parameters[1])
        printf("%s \"%s\" is paused; pgherald resume lifts it\n", parameters[0], parameters[1]);
    else
        printf("everything is paused; pgherald resume lifts it\n");
    return EXIT_DONE;
}

const struct verb verb_pause = {
    .name = "pause",
    .synopsis = "[rule|sender|channel|recipient|template NAME] [--reason TEXT]",
    .summary = "Stop everything, or one rule, sender, channel, recipient or template",
    .help = "Requests that are on their way are not called back. `pgherald resume` lifts it.",
    .options = options,
    .words_max = 2,
    .run = run,
};
