#include "cli/cli.h"

#include <errno.h>

#include "gateway/gateway.h"
#include "io/json.h"
#include "io/secret.h"

/* Columns of herald.sender_accounts(). */
enum { SENDER_NAME, SENDER_GATEWAY, SENDER_BASE_URL, SENDER_ACCOUNT, SENDER_CREDENTIAL, SENDER_ENABLED };

static void print_problem(const char *subject, const char *problem, const char *remedy) {
    _cleanup_(buf_done) struct buf line = BUF_MAX(16384);

    (void) buf_printf(&line, "%s: %s", subject, problem);
    if (remedy && *remedy)
        (void) buf_printf(&line, "\n  %s", remedy);
    cli_print_text(stdout, buf_string(&line));
}

/* What SQL can see: rules, templates, roles, settings. The number of problems, or -EIO. */
static int check_database(struct cli *cli) {
    _cleanup_(pg_result_freep) struct pg_result *rows = cli_query(cli, QUERY_CLI_CHECK, NULL, "check");

    if (!rows)
        return -EIO;
    for (size_t i = 0; i < pg_rows(rows); i++)
        print_problem(pg_text(rows, i, 0), pg_text(rows, i, 1), pg_text(rows, i, 2));
    return (int) pg_rows(rows);
}

/* What only this program can see: whether the gateway has all it needs, and whether the secret is there. */
static int check_sender(const struct config *config, const struct pg_result *rows, size_t row) {
    const char *credential = pg_text(rows, row, SENDER_CREDENTIAL);
    const char *account = pg_text(rows, row, SENDER_ACCOUNT);
    const struct gateway *gateway = gateway_find(pg_text(rows, row, SENDER_GATEWAY));
    _cleanup_(secret_freep) struct secret *secret = NULL;
    _cleanup_(json_freep) struct json *json = NULL;
    _cleanup_(buf_done) struct buf reason = BUF_MAX(2048);
    _cleanup_(buf_done) struct buf subject = BUF_MAX(1024);
    const char *bad_json;

    (void) buf_printf(&subject, "sender %s", pg_text(rows, row, SENDER_NAME));
    if (!gateway)
        (void) buf_printf(&reason, "there is no gateway \"%s\"; there are %s", pg_text(rows, row, SENDER_GATEWAY), gateway_names());
    else if (json_parse(account, pg_text_bytes(rows, row, SENDER_ACCOUNT), &json, &bad_json) < 0)
        (void) buf_printf(&reason, "account: %s", bad_json);
    else if (!credential || secret_load(credential, config->credentials_dir, &secret, &reason) >= 0) {
        const struct sender sender = {
            .name = pg_text(rows, row, SENDER_NAME),
            .base_url = pg_text(rows, row, SENDER_BASE_URL),
            .account = json_root(json),
            .secret = secret ? secret_reveal(secret) : NULL,
        };
        if (gateway->check(&sender, &reason) >= 0)
            return 0;
    }
    print_problem(buf_string(&subject), buf_string(&reason), NULL);
    return 1;
}

static int check_senders(struct cli *cli) {
    _cleanup_(pg_result_freep) struct pg_result *rows = cli_query(cli, QUERY_CLI_SENDERS, NULL, "check");
    int problems = 0;

    if (!rows)
        return -EIO;
    for (size_t i = 0; i < pg_rows(rows); i++)
        if (pg_bool(rows, i, SENDER_ENABLED))
            problems += check_sender(cli->config, rows, i);
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
    .summary = "Look for what is wrong or will go wrong: database, rules, templates, senders, secrets",
    .help = "Secrets are looked for as this user, on this host: run it as the daemon does.",
    .run = run,
};
