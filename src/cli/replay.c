#include <string.h>

#include "cli/cli.h"

enum { SINCE };

static const struct cli_option options[] = {
    [SINCE] = {"since", "T", "From when on: \"2026-03-01 08:00\", or \"30 days\"."},
    {0},
};

/* The columns of herald.replay(). */
enum { WHAT, LABEL, MESSAGES, TARGETS, SAMPLE };

static long long figure(const struct pg_result *rows, size_t row, size_t column) {
    return (long long) pg_int(rows, row, column, 0);
}

static void print_sample(const char *recipient, const char *body) {
    printf("\nfor example, to ");
    cli_print_text(stdout, recipient);
    cli_print_text(stdout, body);
}

static void print_row(const struct pg_result *rows, size_t row) {
    const char *what = pg_text(rows, row, WHAT), *label = pg_text(rows, row, LABEL);
    long long messages = figure(rows, row, MESSAGES), targets = figure(rows, row, TARGETS);

    if (strcmp(what, "total") == 0)
        printf("%lld messages to %lld recipients\n", messages, targets);
    else if (strcmp(what, "day") == 0)
        printf("  %s  %8lld messages  %8lld recipients\n", label, messages, targets);
    else if (strcmp(what, "hour") == 0)
        printf("most within an hour: %lld messages to %lld recipients, at %s\n", messages, targets, label);
    else if (strcmp(what, "not sent") == 0) {
        printf("%lld not sent: ", messages);
        cli_print_text(stdout, label);
    } else if (strcmp(what, "note") == 0) {
        printf("note: ");
        cli_print_text(stdout, label);
    } else {
        print_sample(label ? label : "nobody", pg_text(rows, row, SAMPLE));
    }
}

static int run(struct cli *cli, const struct cli_arguments *arguments) {
    const char *parameters[] = {arguments->words[0], arguments->option[SINCE]};

    if (!parameters[1])
        return cli_usage_error(cli->verb, "--since is missing: from when on?");
    _cleanup_(pg_result_freep) struct pg_result *rows = cli_query(cli, QUERY_CLI_REPLAY, parameters, parameters[0]);
    if (!rows)
        return EXIT_NO;
    for (size_t i = 0; i < pg_rows(rows); i++)
        print_row(rows, i);
    return EXIT_DONE;
}

const struct verb verb_replay = {
    .name = "replay",
    .synopsis = "RULE --since T",
    .summary = "Show what a rule would have sent since then, and send nothing",
    .help = "The rule's view is looked at as it would have been at each time of its schedule, and everything is rolled back.\n"
            "A view that asks herald.now() in place of now() is seen as it would have been then; any other as it is now.\n",
    .options = options,
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
