/* Changes of the schema need locks that a busy application may hold for long. Waiting in the lock's queue would stop everybody
 * behind us, so we wait less than a second at a time, and let the others through in between. */
#include "cli/cli.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"

enum { LOCK_TRIES_MAX = 10 };

static int run_statement(struct cli *cli, enum query query, struct pg_error *reterr) {
    _cleanup_(pg_result_freep) struct pg_result *result = NULL;

    return pg_wait_query(cli->pg, query, NULL, &result, reterr);
}

static int try_once(struct cli *cli, cli_body_fn body, void *userdata, struct pg_error *reterr) {
    int r = run_statement(cli, QUERY_BEGIN, reterr);

    if (r >= 0)
        r = run_statement(cli, QUERY_MIGRATE_LOCK_TIMEOUT, reterr);
    if (r >= 0)
        r = body(cli, userdata, reterr);
    if (r >= 0)
        r = run_statement(cli, QUERY_COMMIT, reterr);
    if (r < 0 && pg_is_idle(cli->pg)) {
        struct pg_error ignored;
        (void) !run_statement(cli, QUERY_ROLLBACK, &ignored);
    }
    return r;
}

/* lock_not_available, deadlock_detected */
static bool is_about_locks(const struct pg_error *error) {
    return strcmp(error->sqlstate, "55P03") == 0 || strcmp(error->sqlstate, "40P01") == 0;
}

/* Who holds locks on what is ours, in words. */
static void say_who_blocks(struct cli *cli, const char *what, int try) {
    _cleanup_(pg_result_freep) struct pg_result *blockers = NULL;
    struct pg_error ignored;
    const char *who = "another transaction holds a lock that this needs";

    if (pg_wait_query(cli->pg, QUERY_MIGRATE_BLOCKERS, NULL, &blockers, &ignored) >= 0 && pg_rows(blockers) > 0)
        who = pg_text(blockers, 0, 0);
    (void) cli_error("%s waits: %s (try %d of %d)", what, who, try, LOCK_TRIES_MAX);
}

int cli_in_transaction(struct cli *cli, const char *what, cli_body_fn body, void *userdata) {
    struct pg_error error;

    for (int try = 1;; try++) {
        int r = try_once(cli, body, userdata, &error);
        if (r >= 0)
            return 0;
        if (!is_about_locks(&error) || try == LOCK_TRIES_MAX)
            break;
        say_who_blocks(cli, what, try);
        if (pg_wait_notify(cli->pg, USEC_PER_SEC, &error) < 0)
            break;
    }
    (void) cli_database_error(what, &error);
    return -EIO;
}
