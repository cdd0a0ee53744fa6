/* The configuration: one table of keys (config.c), read from a file, then PGHERALD_<KEY> of the environment, then options.
 * The table, packaging/pgherald.conf and the manual page list the same keys; a test holds that. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"

#define CONFIG_FILE_DEFAULT "/etc/pgherald/pgherald.conf"

struct config {
    char *credentials_dir; /* "" for none */
    char *dsn;             /* libpq's conninfo; "" means PGHOST and so on */
    bool enabled;
    int log_level; /* syslog's */
    int64_t max_in_flight;
    char *node; /* never "": the host name where the file says nothing */
    int64_t planners;
};

/* The defaults, then the file, then the environment. path NULL: CONFIG_FILE_DEFAULT where it exists. A file that was named
 * must exist. On failure a negative errno, and in reterr (a buf with a maximum) a sentence that names file, line, key, reason
 * and remedy. */
int config_load(const char *path, struct config **ret, struct buf *reterr) _must_check_;

/* One key from the command line. Same errors. */
int config_set(struct config *c, const char *key, const char *value, struct buf *reterr) _must_check_;

struct config *config_free(struct config *c);
DEFINE_CLEANUP(struct config *, config_free)

/* Every key with its default, type and one line of explanation, as "key<TAB>default<TAB>explanation": for the tests and
 * `pgherald --dump-config`. */
int config_dump(struct buf *out) _must_check_;
