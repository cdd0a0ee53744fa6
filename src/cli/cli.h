/* What the verbs of the command line share. Each verb is one file with one struct verb; the list is verbs.c.
 *
 * Exit status: 0 done, 1 the answer is no or it failed, 2 wrong usage. Results go to standard output; errors, progress and
 * questions to standard error. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "io/config.h"
#include "io/pg.h"

enum { EXIT_DONE = 0, EXIT_NO = 1, EXIT_USAGE = 2 };

struct cli_option {
    const char *name;        /* without the dashes; NULL ends a list */
    const char *value;       /* what its value is called ("ID"), or NULL for a flag */
    const char *explanation; /* one line */
};

enum { CLI_OPTIONS_MAX = 8 };

/* The arguments of a verb, sorted. option[i] belongs to the i-th of the verb's options: its value, "" for a flag that was
 * given, NULL for what was not. All borrowed from argv. */
struct cli_arguments {
    const char *option[CLI_OPTIONS_MAX];
    char *const *words; /* NULL-terminated */
    size_t word_count;
};

struct cli;

struct verb {
    const char *name;
    const char *synopsis; /* what follows the name: "ID…" */
    const char *summary;  /* one line, a sentence without its dot */
    const char *help;     /* further lines for --help, or NULL */
    const struct cli_option *options; /* or NULL */
    size_t words_min;
    size_t words_max;
    /* The exit status. Exactly one of the two: raw gets the verb and everything behind it as it was written. */
    int (*run)(struct cli *cli, const struct cli_arguments *arguments);
    int (*raw)(int argc, char **argv);
};

struct cli {
    const struct verb *verb;
    const char *config_path; /* NULL: the default */
    struct config *config;   /* owned by main */
    struct pg *pg;           /* owned by main; connected on first use */
};

/* verbs.c */
extern const struct verb *const cli_verbs[]; /* NULL-terminated, in the order of the help */

/* The verb of that name, or NULL and in *ret_meant the one that was probably meant (may be NULL). */
const struct verb *cli_find_verb(const char *name, const struct verb **ret_meant);

/* arguments.c */

/* Sorts argv (whose first element is the verb). 1: go on; 0: help was asked for, and printed; -EINVAL: it was said what is
 * wrong. */
int cli_parse_arguments(const struct verb *verb, int argc, char **argv, struct cli_arguments *ret) _must_check_;
void cli_print_options(FILE *to, const struct cli_option *options);
void cli_print_verb_help(const struct verb *verb);

/* "pgherald VERB: …" and where help is; returns EXIT_USAGE. */
int cli_usage_error(const struct verb *verb, const char *format, ...) _printf_(2, 3);

/* cli.c */

/* "pgherald: …" on standard error, control bytes made visible; returns EXIT_NO. */
int cli_error(const char *format, ...) _printf_(1, 2);

/* As cli_error for what the database said, with the remedy where one is known; returns EXIT_NO. what: "retry 12". */
int cli_database_error(const char *what, const struct pg_error *error);

/* Connects where that has not happened yet. -EIO: it was said why not. */
int cli_connect(struct cli *cli) _must_check_;

/* Runs a statement, connecting first. NULL: it failed, and it was said why. */
struct pg_result *cli_query(struct cli *cli, enum query query, const char *const *parameters, const char *what);

/* Runs body between begin and commit with a short lock_timeout; while somebody else holds a lock that it needs, says so and
 * tries again, ten times. body returns 0, or -EIO with *reterr filled. 0, or -EIO after saying what failed. */
typedef int (*cli_body_fn)(struct cli *cli, void *userdata, struct pg_error *reterr);
int cli_in_transaction(struct cli *cli, const char *what, cli_body_fn body, void *userdata) _must_check_;

/* Text of the database or of a person, on as many lines as it has, other control bytes made visible. */
void cli_print_text(FILE *to, const char *text);

/* wait.c */

/* From here on Ctrl-C waits until somebody looks for it: in the middle of a screen it would end the program without its status. */
void cli_hold_interrupts(void);

/* After that: waits so long. -EINTR: Ctrl-C, now or before. */
int cli_pause(struct cli *cli, uint64_t usec) _must_check_;

/* table.c */

/* Rows as a table with a header, aligned by display width. On a terminal that is too narrow, fields are cut off or wrapped.
 * Fields of the column alarm (SIZE_MAX: none) stand out. */
enum cli_table_form { CLI_CUT, CLI_WRAP };
void cli_print_table(const struct pg_result *rows, enum cli_table_form form, size_t alarm);

/* An array of objects, on one line; the exit status. */
int cli_print_json(const struct pg_result *rows);

/* Whether this stream may have colours: a terminal, and no NO_COLOR. */
bool cli_has_colour(FILE *stream);

/* The verbs. */
extern const struct verb verb_cancel, verb_check, verb_groups, verb_list, verb_migrate, verb_pair, verb_pause, verb_preview,
        verb_replay, verb_resume, verb_retry, verb_run, verb_sandbox, verb_send, verb_show, verb_status, verb_sweep,
        verb_uninstall, verb_unpair, verb_web;
