/* What the files of a connection share, and nobody else. */
#pragma once

#include <libpq-fe.h>

#include "io/pg.h"
#include "io/pg_watch.h"

struct pg_result {
    PGresult *rows;
};

/* Moves the rows out of a result that is borrowed inside a callback. NULL without memory. */
struct pg_result *pg_result_take(const struct pg_result *r);

/* Replaces the handler: pg_wait.c has one a call. handler NULL: nobody is called. */
void pg_set_handler(struct pg *pg, const struct pg_handler *handler, void *userdata);

/* As pg_query, for a text of several statements, which is borrowed until the callback. */
int pg_query_script(struct pg *pg, const char *script, pg_done_fn done, void *userdata) _must_check_;

/* What an outer loop has to wait for; then it calls pg_dispatch with what poll found, or with 0 once the deadline passed. */
const struct pg_watch *pg_watched(const struct pg *pg);
void pg_dispatch(short events, void *pg);

/* Whether a notification came since this was last asked. */
bool pg_was_notified(struct pg *pg);

/* Adds a part to an error text, after " · " where it is not the first. NULL and "" add nothing. */
void pg_error_add(struct pg_error *e, const char *text);

/* The whole error, without SQLSTATE. */
void pg_error_set(struct pg_error *e, const char *format, ...) _printf_(2, 3);

/* What libpq says of a connection that broke or, while connecting, never came to be. It quotes from the connection string, which
 * may hold a password: what is quoted from it is left out. */
void pg_error_set_loss(struct pg_error *e, const char *reason, bool is_connecting);

/* Adds the line of the script in which the (1-based) character position lies, where both are known. */
void pg_error_add_line(struct pg_error *e, const char *script, const char *position_text);
