#include "cli/hold.h"

static int run(struct cli *cli, const struct cli_arguments *arguments) {
    const char *parameters[] = {arguments->words[0], arguments->word_count > 1 ? arguments->words[1] : "{}"};
    _cleanup_(pg_result_freep) struct pg_result *result = cli_query(cli, QUERY_CLI_PREVIEW, parameters, "preview");

    return result ? cli_print_told(result) : EXIT_NO;
}

const struct verb verb_preview = {
    .name = "preview",
    .synopsis = "TEMPLATE [JSON]",
    .summary = "Show what a template makes of an object of fields",
    .help = "For example: pgherald preview stuck '{\"meter_number\": \"M-1\", \"hours\": 5}'",
    .words_min = 1,
    .words_max = 2,
    .run = run,
};
