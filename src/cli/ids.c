#include "cli/ids.h"

#include "base/parse.h"

bool cli_are_ids(const struct verb *verb, const struct cli_arguments *arguments) {
    int64_t id;

    for (size_t i = 0; i < arguments->word_count; i++)
        if (parse_int(arguments->words[i], 1, INT64_MAX, &id) < 0) {
            (void) cli_usage_error(verb, "\"%s\" is no id; `pgherald list` shows them", arguments->words[i]);
            return false;
        }
    return true;
}

int cli_each_id(struct cli *cli, const struct cli_arguments *arguments, enum query query, const char *done) {
    int status = EXIT_DONE;

    if (!cli_are_ids(cli->verb, arguments))
        return EXIT_USAGE;
    for (size_t i = 0; i < arguments->word_count; i++) {
        const char *parameters[] = {arguments->words[i]};
        char what[64];

        (void) snprintf(what, sizeof(what), "%s %s", cli->verb->name, arguments->words[i]);
        _cleanup_(pg_result_freep) struct pg_result *result = cli_query(cli, query, parameters, what);
        if (!result) {
            status = EXIT_NO;
            if (!cli->pg || !pg_is_connected(cli->pg))
                break; /* the others would fail in the same way */
        } else
            printf("%s %s\n", arguments->words[i], done);
    }
    return status;
}
