/* Global options, then a verb. */
#include <getopt.h>
#include <string.h>

#include "cli/cli.h"

static const struct cli_option global_options[] = {
    {"dsn", "CONNINFO", "The database, as libpq takes it: a URI, or \"host=… dbname=…\"."},
    {"config", "FILE", "The configuration, instead of " CONFIG_FILE_DEFAULT "."},
    {"dump-config", NULL, "Print every key of the configuration with its default and meaning."},
    {"help", NULL, "Show this; `pgherald VERB --help` shows more of one verb."},
    {"version", NULL, "Print the version."},
    {0},
};

struct globals {
    const char *dsn;
    const char *config_path;
};

static void print_help(void) {
    printf("pgherald watches a PostgreSQL database and tells people on WhatsApp.\n\n"
           "pgherald [--dsn CONNINFO] [--config FILE] VERB\n\n");
    for (const struct verb *const *v = cli_verbs; *v; v++)
        printf("  %-10s %s\n", (*v)->name, (*v)->summary);
    printf("\n");
    cli_print_options(stdout, global_options);
}

static int dump_config(void) {
    _cleanup_(buf_done) struct buf out = BUF_MAX(64 * 1024);

    if (config_dump(&out) < 0)
        return cli_error("no memory");
    printf("%s", buf_string(&out));
    return EXIT_DONE;
}

/* -1: go on with the verb at argv[optind]; else the exit status. */
static int parse_globals(int argc, char **argv, struct globals *ret) {
    static const struct option options[] = {
        {"dsn", required_argument, NULL, 'd'}, {"config", required_argument, NULL, 'c'}, {"dump-config", no_argument, NULL, 'D'},
        {"help", no_argument, NULL, 'h'},      {"version", no_argument, NULL, 'V'},      {0},
    };
    int c;

    opterr = 0;
    while ((c = getopt_long(argc, argv, "+:h", options, NULL)) != -1)
        switch (c) {
        case 'd':
            ret->dsn = optarg;
            break;
        case 'c':
            ret->config_path = optarg;
            break;
        case 'D':
            return dump_config();
        case 'h':
            print_help();
            return EXIT_DONE;
        case 'V':
            printf("pgherald " PGHERALD_VERSION "\n");
            return EXIT_DONE;
        case ':':
            return cli_usage_error(NULL, "%s needs a value", argv[optind - 1]);
        default:
            return cli_usage_error(NULL, "there is no option %s before the verb", argv[optind - 1]);
        }
    return -1;
}

static int load_config(const struct globals *globals, struct config **ret) {
    _cleanup_(buf_done) struct buf reason = BUF_MAX(4096);
    int r = config_load(globals->config_path, ret, &reason);

    if (r >= 0 && globals->dsn)
        r = config_set(*ret, "dsn", globals->dsn, &reason);
    if (r < 0)
        (void) cli_error("%s", reason.size > 0 ? buf_string(&reason) : strerror(-r));
    return r;
}

static int run_verb(const struct verb *verb, const struct globals *globals, int argc, char **argv) {
    _cleanup_(config_freep) struct config *config = NULL;
    struct cli_arguments arguments;

    if (verb->raw)
        return verb->raw(argc, argv);
    int r = cli_parse_arguments(verb, argc, argv, &arguments);
    if (r <= 0)
        return r < 0 ? EXIT_USAGE : EXIT_DONE;
    if (load_config(globals, &config) < 0)
        return EXIT_NO;
    struct cli cli = {.verb = verb, .config_path = globals->config_path, .config = config};
    int status = verb->run(&cli, &arguments);
    cli.pg = pg_free(cli.pg);
    return status;
}

int main(int argc, char **argv) {
    struct globals globals = {0};
    const struct verb *meant;
    int status = parse_globals(argc, argv, &globals);

    if (status < 0 && !argv[optind]) {
        status = cli_usage_error(NULL, "which verb?");
    } else if (status < 0) {
        int first = optind;
        const struct verb *verb = cli_find_verb(argv[first], &meant);
        if (verb)
            status = run_verb(verb, &globals, argc - first, argv + first);
        else if (meant)
            status = cli_usage_error(NULL, "there is no verb \"%s\" (did you mean \"%s\"?)", argv[first], meant->name);
        else
            status = cli_usage_error(NULL, "there is no verb \"%s\"", argv[first]);
    }
    if (fflush(stdout) != 0 || ferror(stdout))
        status = cli_error("standard output could not be written");
    return status;
}
