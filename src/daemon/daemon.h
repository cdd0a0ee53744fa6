/* The daemon: owns the loop, the dispatcher and the planner; readiness, signals, reload, drain, watchdog and status. */
#pragma once

#include "io/config.h"

/* Runs until SIGTERM or SIGINT (drains), or until it can't go on. config is that of the start; SIGHUP loads config_path (NULL:
 * the default file) anew. Returns the exit status: 0, or 1 after a failure, which is logged. */
int daemon_run(const struct config *config, const char *config_path);
