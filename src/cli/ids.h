/* Notifications by their ids: retry, cancel and show. */
#pragma once

#include "cli/cli.h"

/* Whether every word is an id; says which is none. */
bool cli_are_ids(const struct verb *verb, const struct cli_arguments *arguments);

/* Runs the statement for each id, and prints "ID done" or why not. The exit status: 1 where one failed. */
int cli_each_id(struct cli *cli, const struct cli_arguments *arguments, enum query query, const char *done);
