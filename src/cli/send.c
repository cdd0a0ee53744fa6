#include "cli/cli.h"

static int run(struct cli *cli, const struct cli_arguments *arguments) {
    const char *parameters[] = {arguments->words[0], arguments->words[1]};
    _cleanup_(pg_result_freep) struct pg_result *result = cli_query(cli, QUERY_CLI_SEND, parameters, "send");

    if (!result)
        return EXIT_NO;
    printf("%s\n", pg_text(result, 0, 0));
    return EXIT_DONE;
}

const struct verb verb_send = {
    .name = "send",
    .synopsis = "RECIPIENT TEXT",
    .summary = "Send a text to a recipient by name, a group id, or a number",
    .help = "Prints the notification's id once it is in the queue; `pgherald show ID` tells what became of it.",
    .words_min = 2,
    .words_max = 2,
    .run = run,
};
