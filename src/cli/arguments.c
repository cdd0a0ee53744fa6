#include "cli/cli.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <string.h>

#include "base/closest.h"
#include "base/text.h"

int cli_usage_error(const struct verb *verb, const char *format, ...) {
    _cleanup_(buf_done) struct buf raw = BUF_MAX(4096);
    _cleanup_(buf_done) struct buf line = BUF_MAX(16384);
    va_list args;

    va_start(args, format);
    (void) buf_vprintf(&raw, format, args);
    va_end(args);
    (void) text_append_printable(&line, buf_string(&raw), raw.size);
    fprintf(stderr, "pgherald%s%s: %s\nSee pgherald %s%s--help.\n", verb ? " " : "", verb ? verb->name : "", buf_string(&line),
            verb ? verb->name : "", verb ? " " : "");
    return EXIT_USAGE;
}

void cli_print_options(FILE *to, const struct cli_option *options) {
    for (const struct cli_option *o = options; o && o->name; o++) {
        int width = (int) (strlen(o->name) + (o->value ? strlen(o->value) + 1 : 0));
        fprintf(to, "  --%s%s%s%*s  %s\n", o->name, o->value ? " " : "", o->value ? o->value : "", width < 20 ? 20 - width : 0,
                "", o->explanation);
    }
}

void cli_print_verb_help(const struct verb *verb) {
    static const struct cli_option help[] = {{"help", NULL, "Show this."}, {0}};

    printf("pgherald [--dsn CONNINFO] [--config FILE] %s%s%s\n\n%s.\n", verb->name, *verb->synopsis ? " " : "", verb->synopsis,
           verb->summary);
    if (verb->help)
        printf("\n%s\n", verb->help);
    printf("\n");
    cli_print_options(stdout, verb->options);
    cli_print_options(stdout, help);
}

static int unknown_option(const struct verb *verb, const char *written) {
    const char *name = written + strspn(written, "-");
    const char *meant = NULL;
    size_t least = 3;

    for (const struct cli_option *o = verb->options; o && o->name; o++) {
        size_t distance = closest_distance(name, o->name);
        if (distance < least) {
            least = distance;
            meant = o->name;
        }
    }
    if (strcmp(name, "dsn") == 0 || strcmp(name, "config") == 0)
        (void) cli_usage_error(verb, "--%s stands before the verb", name);
    else if (meant)
        (void) cli_usage_error(verb, "there is no option %s (did you mean --%s?)", written, meant);
    else
        (void) cli_usage_error(verb, "there is no option %s", written);
    return -EINVAL;
}

static int check_words(const struct verb *verb, const struct cli_arguments *arguments) {
    if (arguments->word_count < verb->words_min)
        (void) cli_usage_error(verb, "something is missing: pgherald %s %s", verb->name, verb->synopsis);
    else if (arguments->word_count > verb->words_max)
        (void) cli_usage_error(verb, "too many words, from \"%s\" on", arguments->words[verb->words_max]);
    else
        return 1;
    return -EINVAL;
}

int cli_parse_arguments(const struct verb *verb, int argc, char **argv, struct cli_arguments *ret) {
    enum { HELP = 'h', FIRST = 256 };
    struct option options[CLI_OPTIONS_MAX + 2] = {{"help", no_argument, NULL, HELP}};
    size_t n = 1;
    int c;

    for (const struct cli_option *o = verb->options; o && o->name; o++, n++) {
        assert(n <= CLI_OPTIONS_MAX);
        options[n] = (struct option) {o->name, o->value ? required_argument : no_argument, NULL, FIRST + (int) n - 1};
    }
    *ret = (struct cli_arguments) {0};
    optind = 0; /* glibc: start anew */
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        if (c == HELP) {
            cli_print_verb_help(verb);
            return 0;
        }
        if (c == '?')
            return unknown_option(verb, argv[optind - 1]);
        if (c == ':') {
            (void) cli_usage_error(verb, "%s needs a value", argv[optind - 1]);
            return -EINVAL;
        }
        ret->option[c - FIRST] = optarg ? optarg : "";
    }
    ret->words = argv + optind;
    ret->word_count = (size_t) (argc - optind);
    return check_words(verb, ret);
}
