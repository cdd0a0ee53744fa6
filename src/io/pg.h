/* PostgreSQL connections: the only user of libpq. Asynchronous, on an sd-event loop; the command line waits with pg_wait().
 *
 * One query at a time on a connection. A lost connection is reported once, and is connected again only when its owner asks:
 * back-off is the owner's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "io/queries.h"

enum { PG_ERROR_TEXT_BYTES = 512, PG_PARAMETERS_MAX = 24 };

struct pg;

/* What went wrong; filled on failure only. */
struct pg_error {
    char sqlstate[6];               /* "" where the connection broke, or never came to be, and the server gave none */
    /* Primary message, and after " · " detail (of a service at level debug only) and hint; foreign. */
    char text[PG_ERROR_TEXT_BYTES];
    bool connection_lost;           /* the connection is gone; otherwise it can go on */
};

/* An SQLSTATE of our own: the connection string can't be read, so there is no sense in trying again. */
#define PG_BAD_CONNINFO "HD001"

struct pg_result; /* rows of one query; borrowed inside the callback */

size_t pg_rows(const struct pg_result *r);

/* A field as text, or NULL for SQL NULL. Borrowed. */
const char *pg_text(const struct pg_result *r, size_t row, size_t column);
size_t pg_text_bytes(const struct pg_result *r, size_t row, size_t column);

/* A field as an integer; fallback for NULL. */
int64_t pg_int(const struct pg_result *r, size_t row, size_t column, int64_t fallback);
bool pg_bool(const struct pg_result *r, size_t row, size_t column);

/* Columns, for output to people. */
size_t pg_columns(const struct pg_result *r);
const char *pg_column_name(const struct pg_result *r, size_t column);
enum pg_type { PG_OTHER, PG_INT, PG_BOOL };
enum pg_type pg_column_type(const struct pg_result *r, size_t column);

struct pg_handler {
    /* Connected: encoding UTF8, session settings pinned. */
    void (*on_connected)(struct pg *pg, void *userdata);
    /* The connection could not be made, or broke while idle or in a query (whose callback then is not called), or that
     * query's answer could not be read. It is closed already. */
    void (*on_lost)(struct pg *pg, const struct pg_error *error, void *userdata);
    /* A notification came in; payload is foreign text. May be NULL. */
    void (*on_notify)(struct pg *pg, const char *channel, const char *payload, void *userdata);
};

/* conninfo: as libpq takes it, URI or key=value, several hosts allowed; "" means PGHOST and so on. name becomes part of
 * application_name ("pgherald NAME"). handler is copied. event NULL: a connection for the pg_wait functions; its handler is
 * NULL, and its statements have no statement_timeout (others: 10 s). */
int pg_new(sd_event *event, const char *conninfo, const char *name, const struct pg_handler *handler, void *userdata,
           struct pg **ret) _must_check_;

/* Closes. NULL is allowed. Not from inside a callback of the same connection. */
struct pg *pg_free(struct pg *pg);
DEFINE_CLEANUP(struct pg *, pg_free)

/* Begins to connect; on_connected or on_lost follows from the loop, within connect_timeout (5 s) of each host; a host that does
 * not answer is passed over for the next. Looking up a host's name may block. */
int pg_connect(struct pg *pg) _must_check_;

/* Closes now, without a callback; a query under way is forgotten. */
void pg_disconnect(struct pg *pg);

bool pg_is_connected(const struct pg *pg);

/* Connected, and no query under way. */
bool pg_is_idle(const struct pg *pg);

/* The process id of the server's process that serves it; 0: not connected. */
int pg_backend(const struct pg *pg);

/* The result of a query: result on success, else error. Exactly one is not NULL. It may start the next query. */
typedef void (*pg_done_fn)(struct pg *pg, const struct pg_result *result, const struct pg_error *error, void *userdata);

/* Runs a named statement of sql/queries.sql, unnamed and parameterised on the wire. parameters are texts or NULL, as many as
 * the statement has; copied. When time_limit_usec has passed without a result, or more than 24 MB come in (what a statement
 * raises comes with its rows, and may be of any size; people's own connections take all of it, and those that listen, as
 * notifications come with it), the connection is dropped
 * and reported lost (on_lost, SQLSTATE ""), while the server may go on with the query; UINT64_MAX: no limit. -EBUSY: a query is
 * under way; -ENOTCONN. */
int pg_query(struct pg *pg, enum query query, const char *const *parameters, uint64_t time_limit_usec, pg_done_fn done,
             void *userdata) _must_check_;

/* Asks the server to cancel the query under way; its callback follows with SQLSTATE 57014, or with its result. Blocks while it
 * connects to the server a second time. */
int pg_cancel(struct pg *pg);

/* For the command line, on a connection made with event NULL. Each waits for its end. Errors: *reterr is filled and -EIO
 * returned. *ret is owned by the caller. An interrupt (Ctrl-C) cancels the query; without one, -EINTR is returned. */
int pg_wait_connect(struct pg *pg, struct pg_error *reterr) _must_check_;
int pg_wait_query(struct pg *pg, enum query query, const char *const *parameters, struct pg_result **ret,
                  struct pg_error *reterr) _must_check_;
/* Several statements in one text, without parameters: migrations. The result of the last one is dropped. */
int pg_wait_script(struct pg *pg, const char *script, struct pg_error *reterr) _must_check_;
/* Waits for a notification, for at most time_limit_usec: 1 where one came, 0 where none did. */
int pg_wait_notify(struct pg *pg, uint64_t time_limit_usec, struct pg_error *reterr) _must_check_;
struct pg_result *pg_result_free(struct pg_result *r);
DEFINE_CLEANUP(struct pg_result *, pg_result_free)

/* Array parameters: pg_array_begin(&b), then elements (NULL is SQL NULL), then pg_array_end(&b); errors stick in the buf. */
void pg_array_begin(struct buf *b);
void pg_array_add(struct buf *b, const char *element);
void pg_array_add_int(struct buf *b, int64_t element);
void pg_array_end(struct buf *b);
