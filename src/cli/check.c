#include <errno.h>

#include "cli/account.h"

enum { GROUPS_BYTES_MAX = 64 * 1024 * 1024 };

static void print_problem(const char *subject, const char *problem, const char *remedy) {
    _cleanup_(buf_done) struct buf line = BUF_MAX(16384);

    (void) buf_printf(&line, "%s: %s", subject, problem);
    if (remedy && *remedy)
        (void) buf_printf(&line, "\n  %s", remedy);
    cli_print_text(stdout, buf_string(&line));
}

static int print_problems(const struct pg_result *rows) {
    for (size_t i = 0; i < pg_rows(rows); i++)
        print_problem(pg_text(rows, i, 0), pg_text(rows, i, 1), pg_text(rows, i, 2));
    return (int) pg_rows(rows);
}

/* What SQL can see: rules, templates, roles, settings. The number of problems, or -EIO. */
static int check_database(struct cli *cli) {
    _cleanup_(pg_result_freep) struct pg_result *rows = cli_query(cli, QUERY_CLI_CHECK, NULL, "check");

    return rows ? print_problems(rows) : -EIO;
}

/* Whether the account is in the groups that herald.recipients has for it. The number of problems, or -EIO. */
static int check_groups(struct cli *cli, const struct account *account, const char *subject) {
    _cleanup_(buf_done) struct buf reason = BUF_MAX(4096), ids = BUF_MAX(GROUPS_BYTES_MAX), names = BUF_MAX(GROUPS_BYTES_MAX);
    const char *parameters[] = {account->sender.name, NULL};
    int r = account_groups(account, &ids, &names, &reason);

    if (r == -ENOTCONN) { /* a gateway that is not there yet, or for a moment, is no fault of what is configured */
        (void) cli_error("%s: its groups were not looked up: %s", subject, buf_string(&reason));
        return 0;
    }
    if (r < 0) {
        _cleanup_(buf_done) struct buf problem = BUF_MAX(8192);

        (void) buf_printf(&problem, "its groups can't be looked up: %s", r == -ENOMEM ? "no memory" : buf_string(&reason));
        print_problem(subject, buf_string(&problem), NULL);
        return 1;
    }
    parameters[1] = buf_string(&ids);
    _cleanup_(pg_result_freep) struct pg_result *rows = cli_query(cli, QUERY_CLI_CHECK_GROUPS, parameters, "check");
    return rows ? print_problems(rows) : -EIO;
}

/* What only this program can see: whether the gateway has all it needs, and whether the secret is there. */
static int check_sender(struct cli *cli, const struct pg_result *rows, size_t row) {
    _cleanup_(buf_done) struct buf reason = BUF_MAX(4096), subject = BUF_MAX(1024);
    struct account account;
    int problems = 0;

    (void) buf_printf(&subject, "sender %s", pg_text(rows, row, ACCOUNT_NAME));
    if (account_open(cli->config, rows, row, &account, &reason) < 0) {
        print_problem(buf_string(&subject), buf_string(&reason), NULL);
        return 1;
    }
    if (account.gateway->groups && pg_bool(rows, row, ACCOUNT_HAS_GROUPS))
        problems = check_groups(cli, &account, buf_string(&subject));
    account_close(&account);
    return problems;
}

static int check_senders(struct cli *cli) {
    _cleanup_(pg_result_freep) struct pg_result *rows = cli_query(cli, QUERY_CLI_SENDERS, NULL, "check");
    int problems = 0;

    if (!rows)
        return -EIO;
    for (size_t i = 0; i < pg_rows(rows); i++) {
        int r = pg_bool(rows, i, ACCOUNT_ENABLED) ? check_sender(cli, rows, i) : 0;

        if (r < 0)
            return r;
        problems += r;
    }
    return problems;
}

static int run(struct cli *cli, _unused_ const struct cli_arguments *arguments) {
    int database = check_database(cli);
    int senders = database < 0 ? -EIO : check_senders(cli);

    if (database < 0 || senders < 0)
        return EXIT_NO;
    if (database + senders == 0) {
        printf("everything is in order\n");
        return EXIT_DONE;
    }
    return EXIT_NO;
}

const struct verb verb_check = {
    .name = "check",
    .synopsis = "",
    .summary = "Look for what is wrong or will go wrong: database, rules, templates, senders, secrets, groups",
    .help = "Secrets are looked for as this user, on this host: run it as the daemon does. The gateways of senders with groups\n"
            "are asked which ones their accounts are in.",
    .run = run,
};
