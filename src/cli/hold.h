/* What pause and resume share. */
#pragma once

#include "cli/cli.h"

/* Fills kind and name from the words: none means everything. EXIT_DONE, or EXIT_USAGE after saying why. */
int cli_hold_words(const struct verb *verb, const struct cli_arguments *arguments, const char **ret_kind, const char **ret_name);

/* Prints what the function told. */
int cli_print_told(const struct pg_result *result);
