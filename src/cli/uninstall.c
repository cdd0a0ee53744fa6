#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

enum { HISTORY, YES };

static const struct cli_option options[] = {
    [HISTORY] = {"history", NULL, "The history too: table whatsapp_notifications."},
    [YES] = {"yes", NULL, "Don't ask."},
    {0},
};

/* Columns of migrate_state. */
enum { STATE_MIGRATIONS = 1, STATE_DATABASE = 6 };

struct uninstall {
    const char *history;
    struct pg_result *removed;
};

static int body(struct cli *cli, void *userdata, struct pg_error *reterr) {
    struct uninstall *u = userdata;
    const char *parameters[] = {u->history};

    u->removed = pg_result_free(u->removed);
    return pg_wait_query(cli->pg, QUERY_UNINSTALL, parameters, &u->removed, reterr);
}

static bool is_confirmed(const char *database, bool history) {
    char answer[16];

    fprintf(stderr, "Remove pgherald's triggers, rules, senders and functions%s from database %s? [y/N] ",
            history ? ", and the history with them," : "", database);
    return fgets(answer, sizeof(answer), stdin) && (strcmp(answer, "y\n") == 0 || strcmp(answer, "yes\n") == 0);
}

static int run(struct cli *cli, const struct cli_arguments *arguments) {
    bool history = arguments->option[HISTORY];
    struct uninstall u = {.history = history ? "true" : "false"};

    if (!arguments->option[YES] && !isatty(STDIN_FILENO))
        return cli_usage_error(cli->verb, "nobody is here to be asked; say --yes");
    _cleanup_(pg_result_freep) struct pg_result *state = cli_query(cli, QUERY_MIGRATE_STATE, NULL, "uninstall");
    if (!state)
        return EXIT_NO;
    if (!pg_bool(state, 0, STATE_MIGRATIONS)) {
        printf("database %s has no pgherald\n", pg_text(state, 0, STATE_DATABASE));
        return EXIT_DONE;
    }
    if (!arguments->option[YES] && !is_confirmed(pg_text(state, 0, STATE_DATABASE), history)) {
        printf("nothing was removed\n");
        return EXIT_NO;
    }
    int r = cli_in_transaction(cli, "uninstall", body, &u);
    if (r >= 0) {
        printf("removed from database %s:\n", pg_text(state, 0, STATE_DATABASE));
        for (size_t i = 0; i < pg_rows(u.removed); i++)
            cli_print_text(stdout, pg_text(u.removed, i, 0) ?: "");
    }
    pg_result_free(u.removed);
    return r < 0 ? EXIT_NO : EXIT_DONE;
}

const struct verb verb_uninstall = {
    .name = "uninstall",
    .synopsis = "[--history] [--yes]",
    .summary = "Take out triggers and schema; the application's tables stay as they were",
    .options = options,
    .run = run,
};
