#include <errno.h>
#include <string.h>

#include "cli/account.h"

enum { JSON, GROUPS_BYTES_MAX = 64 * 1024 * 1024 };

static const struct cli_option options[] = {
    [JSON] = {"json", NULL, "As JSON, on one line."},
    {0},
};

/* The row of that name, or SIZE_MAX: it was said which there are. */
static size_t find_sender(const struct pg_result *rows, const char *name) {
    _cleanup_(buf_done) struct buf names = BUF_MAX(4096);

    for (size_t i = 0; i < pg_rows(rows); i++) {
        if (strcmp(pg_text(rows, i, ACCOUNT_NAME), name) == 0)
            return i;
        (void) buf_printf(&names, "%s%s", i > 0 ? ", " : "", pg_text(rows, i, ACCOUNT_NAME));
    }
    (void) cli_error("there is no sender \"%s\"; there %s %s", name, pg_rows(rows) == 0 ? "is" : "are",
                     pg_rows(rows) == 0 ? "none at all" : buf_string(&names));
    return SIZE_MAX;
}

static int print(struct cli *cli, const char *sender, struct buf *ids, struct buf *names, bool json) {
    const char *parameters[] = {sender, buf_string(ids), buf_string(names)};
    _cleanup_(pg_result_freep) struct pg_result *rows = cli_query(cli, QUERY_CLI_GROUPS, parameters, "groups");

    if (!rows)
        return EXIT_NO;
    if (json)
        return cli_print_json(rows);
    cli_print_table(rows, CLI_CUT, SIZE_MAX);
    return EXIT_DONE;
}

static int run(struct cli *cli, const struct cli_arguments *arguments) {
    _cleanup_(pg_result_freep) struct pg_result *rows = cli_query(cli, QUERY_CLI_SENDERS, NULL, "groups");
    _cleanup_(buf_done) struct buf reason = BUF_MAX(4096), ids = BUF_MAX(GROUPS_BYTES_MAX), names = BUF_MAX(GROUPS_BYTES_MAX);
    const char *name = arguments->words[0];
    struct account account;
    size_t row;
    int r;

    if (!rows)
        return EXIT_NO;
    row = find_sender(rows, name);
    if (row == SIZE_MAX)
        return EXIT_NO;
    if (account_open(cli->config, rows, row, &account, &reason) < 0)
        return cli_error("sender %s: %s", name, buf_string(&reason));
    r = account_groups(&account, &ids, &names, &reason);
    account_close(&account);
    if (r == -ENOTSUP)
        return cli_error("sender %s: its gateway %s knows no groups; cloud, evolution, waha, webjs and wppconnect do", name,
                         pg_text(rows, row, ACCOUNT_GATEWAY));
    if (r < 0)
        return cli_error("sender %s: its groups can't be had: %s", name, r == -ENOMEM ? "no memory" : buf_string(&reason));
    return print(cli, name, &ids, &names, arguments->option[JSON]);
}

const struct verb verb_groups = {
    .name = "groups",
    .synopsis = "SENDER [--json]",
    .summary = "List the groups that a sender's account is in, and the recipients that stand for them",
    .help = "The id is what a group's address is in herald.recipients. The gateway is asked from here, with the sender's\n"
            "secret: run it as the daemon does.",
    .options = options,
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
