/* Prometheus' text format. Pure. */
#pragma once

#include "base/buf.h"
#include "io/pg.h"

/* Appends the rows of herald.metrics(). */
int figures_write(const struct pg_result *rows, struct buf *out) _must_check_;

/* Appends the head of a metric, without its prefix. */
int figures_write_head(const char *name, const char *type, const char *help, struct buf *out);
