#include "cli/cli.h"
#include "cli/ids.h"

static int run(struct cli *cli, const struct cli_arguments *arguments) {
    return cli_each_id(cli, arguments, QUERY_CLI_CANCEL, "will not be sent");
}

const struct verb verb_cancel = {
    .name = "cancel",
    .synopsis = "ID…",
    .summary = "Take notifications out of the queue that were not sent yet",
    .words_min = 1,
    .words_max = SIZE_MAX,
    .run = run,
};
