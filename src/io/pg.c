/* One PostgreSQL connection as a state machine over libpq's asynchronous calls.
 *
 *   CLOSED ─pg_connect→ CONNECTING ─→ PINNING (session settings) ─→ IDLE ⇄ QUERY
 *                            any of them ─→ CLOSED, with on_lost
 *   FAILING: lost already, but found out inside a call of the owner; reported from the loop.
 *
 * Nothing here waits: the socket and the deadline are watched by sd-event, or by pg_wait.c. */
#include "io/pg.h"
#include "io/pg_internal.h"

#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/parse.h"
#include "io/pg_watch.h"

enum { CONNECT_TIMEOUT_SEC = 5, CONNECT_TIMEOUT_MAX_SEC = 600, ANSWER_MAX_BYTES = 24 * 1024 * 1024 };

enum pg_state { STATE_CLOSED, STATE_CONNECTING, STATE_PINNING, STATE_IDLE, STATE_QUERY, STATE_FAILING };

struct pg {
    char *conninfo;
    char *application_name;
    struct pg_handler handler;
    void *userdata;
    enum pg_state state;
    unsigned generation; /* counts closings: a callback may have closed, and even connected again */
    PGconn *conn;
    struct pg_watch watch;
    const char *host;         /* which host libpq is at: compared, never read */
    uint64_t host_limit_usec; /* time for one address */
    uint64_t limit_usec;      /* for the error text */
    const char *script; /* borrowed: turns a position into a line */
    PGresult *kept;     /* of the query under way */
    size_t received;    /* bytes of its answer, about */
    pg_done_fn done;
    void *done_userdata;
    bool notified;
    struct pg_error farewell; /* what the server said before it closed, or why we are FAILING */
};

/* ---- Errors ---- */

/* The detail may be a row, with what it says and to whom: a person may see it, and the log of a service only for debugging. */
static void error_from_result(const struct pg *pg, const PGresult *result, struct pg_error *e) {
    const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

    pg_error_set(e, "%s", primary ? primary : PQresultErrorMessage(result));
    (void) snprintf(e->sqlstate, sizeof(e->sqlstate), "%s", sqlstate ? sqlstate : "");
    if (!pg->watch.event || log_get_level() >= LOG_DEBUG)
        pg_error_add(e, PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL));
    pg_error_add(e, PQresultErrorField(result, PG_DIAG_MESSAGE_HINT));
    pg_error_add_line(e, pg->script, PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION));
}

/* Notices are not for us, but a server that shuts down says so in one before it closes. */
static void on_notice(void *userdata, const PGresult *notice) {
    struct pg *pg = userdata;
    const char *sqlstate = PQresultErrorField(notice, PG_DIAG_SQLSTATE);

    if (sqlstate && strncmp(sqlstate, "57P", 3) == 0)
        error_from_result(pg, notice, &pg->farewell);
}

/* ---- Closing and failing ---- */

void pg_disconnect(struct pg *pg) {
    /* The source goes first: its descriptor must not be closed, and given out again, under it. */
    pg_watch_forget(&pg->watch);
    PQclear(TAKE_PTR(pg->kept));
    PQfinish(TAKE_PTR(pg->conn));
    pg->state = STATE_CLOSED;
    pg_watch_deadline(&pg->watch, 0);
    pg->script = NULL;
    pg->host = NULL;
    pg->received = 0;
    pg->generation++;
}

static void fail_with(struct pg *pg, const struct pg_error *error) {
    struct pg_error e = *error;

    e.connection_lost = true;
    pg_disconnect(pg);
    if (pg->handler.on_lost)
        pg->handler.on_lost(pg, &e, pg->userdata);
}

/* The best reason there is: the server's own last words, then what libpq says. */
static void describe_loss(struct pg *pg, struct pg_error *ret) {
    if (pg->farewell.text[0])
        memmove(ret, &pg->farewell, sizeof(*ret)); /* may be the same */
    else if (pg->kept && PQresultErrorField(pg->kept, PG_DIAG_SQLSTATE))
        error_from_result(pg, pg->kept, ret);
    else
        pg_error_set_loss(ret, PQerrorMessage(pg->conn), pg->state == STATE_CLOSED || pg->state == STATE_CONNECTING);
}

static void fail(struct pg *pg) {
    struct pg_error e;

    describe_loss(pg, &e);
    fail_with(pg, &e);
}

static void arm_limit(struct pg *pg, uint64_t limit_usec) {
    pg->limit_usec = limit_usec;
    pg_watch_deadline(&pg->watch, limit_usec == UINT64_MAX ? 0 : clock_monotonic_usec() + limit_usec);
}

/* The owner is inside a call of ours and must not be called back from it: the loop reports, at once. */
static void fail_later(struct pg *pg) {
    describe_loss(pg, &pg->farewell);
    pg->state = STATE_FAILING;
    pg_watch_forget(&pg->watch);
    pg_watch_deadline(&pg->watch, 1);
}

/* ---- Sending ---- */

static int watch(struct pg *pg, short events, bool fresh) {
    return pg_watch_socket(&pg->watch, PQsocket(pg->conn), events, fresh);
}

/* Writes what is still to be written; waits for room where the socket is full (and reads meanwhile, or both sides would wait
 * for each other). */
static int flush(struct pg *pg) {
    int left = PQflush(pg->conn);
    if (left < 0)
        return -EPIPE;
    return watch(pg, left > 0 ? POLLIN | POLLOUT : POLLIN, false);
}

static int send_query(struct pg *pg, enum query query, const char *const *parameters) {
    const struct query_text *q = query_text(query);

    assert(q->parameters <= PG_PARAMETERS_MAX);
    if (!PQsendQueryParams(pg->conn, q->text, (int) q->parameters, NULL, parameters, NULL, NULL, 0))
        return -EPIPE;
    return flush(pg);
}

/* ---- Connecting ---- */

static int64_t connect_timeout_sec(PGconn *conn) {
    int64_t timeout_sec = CONNECT_TIMEOUT_SEC;
    PQconninfoOption *options = PQconninfo(conn);

    for (PQconninfoOption *o = options; o && o->keyword; o++)
        if (strcmp(o->keyword, "connect_timeout") == 0 && o->val)
            (void) !parse_int(o->val, 1, CONNECT_TIMEOUT_MAX_SEC, &timeout_sec);
    PQconninfoFree(options);
    return timeout_sec;
}

static void pin_session(struct pg *pg) {
    const char *statement_timeout = pg->watch.event ? "10s" : "0";

    if (PQsetnonblocking(pg->conn, 1) != 0 || watch(pg, POLLIN, true) < 0) {
        fail(pg);
        return;
    }
    pg->state = STATE_PINNING;
    arm_limit(pg, pg->host_limit_usec);
    if (send_query(pg, QUERY_SESSION, &statement_timeout) < 0)
        fail(pg);
}

static void connect_step(struct pg *pg) {
    PostgresPollingStatusType wants = PQconnectPoll(pg->conn);

    if (wants == PGRES_POLLING_OK) {
        pin_session(pg);
        return;
    }
    if (PQhost(pg->conn) != pg->host) {
        pg->host = PQhost(pg->conn);
        arm_limit(pg, pg->host_limit_usec);
    }
    if (wants == PGRES_POLLING_FAILED || watch(pg, wants == PGRES_POLLING_WRITING ? POLLOUT : POLLIN, true) < 0)
        fail(pg);
}

int pg_connect(struct pg *pg) {
    if (pg->state != STATE_CLOSED)
        return -EISCONN;

    /* What stands before dbname is a default that the user's own connection string overrides. */
    const char *const keywords[] = {
        "connect_timeout", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
        "target_session_attrs", "application_name", "dbname", "client_encoding", NULL,
    };
    const char *const values[] = {
        "5", "10", "3", "3", "10000", "read-write", pg->application_name, pg->conninfo, "UTF8", NULL,
    };
    static_assert(ELEMENTSOF(keywords) == ELEMENTSOF(values), "one value a keyword");

    pg->farewell = (struct pg_error) {0};
    pg->conn = PQconnectStartParams(keywords, values, 1);
    if (!pg->conn)
        return -ENOMEM;
    if (PQstatus(pg->conn) == CONNECTION_BAD) {
        fail_later(pg);
        return 0;
    }
    (void) PQsetNoticeReceiver(pg->conn, on_notice, pg);
    pg->state = STATE_CONNECTING;
    pg->host = PQhost(pg->conn);
    pg->host_limit_usec = (uint64_t) connect_timeout_sec(pg->conn) * USEC_PER_SEC;
    arm_limit(pg, pg->host_limit_usec);
    int r = watch(pg, POLLOUT, true);
    if (r < 0)
        pg_disconnect(pg);
    return r;
}

/* ---- Results ---- */

static void drain_notifications(struct pg *pg) {
    unsigned generation = pg->generation;
    PGnotify *n;

    while (pg->generation == generation && (n = PQnotifies(pg->conn))) {
        pg->notified = true;
        if (pg->handler.on_notify)
            pg->handler.on_notify(pg, n->relname, n->extra, pg->userdata);
        PQfreemem(n);
    }
}

/* A complete answer is in pg->kept. */
static void finish_query(struct pg *pg) {
    struct pg_result result = {.rows = TAKE_PTR(pg->kept)};
    ExecStatusType status = PQresultStatus(result.rows);
    bool pinning = pg->state == STATE_PINNING;
    struct pg_error error;
    bool ok = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY;

    if (!ok)
        error_from_result(pg, result.rows, &error);
    pg->state = STATE_IDLE;
    pg_watch_deadline(&pg->watch, 0);
    pg->script = NULL;
    /* An error without SQLSTATE is libpq's own: the answer could not be read (no memory for it, or nonsense). What the statement
     * did is done, and nobody knows what that was: as where the connection broke. */
    if (!ok && (pinning || error.sqlstate[0] == '\0'))
        fail_with(pg, &error);
    else if (pinning && pg->handler.on_connected)
        pg->handler.on_connected(pg, pg->userdata);
    else if (!pinning && pg->done)
        pg->done(pg, ok ? &result : NULL, ok ? NULL : &error, pg->done_userdata);
    PQclear(result.rows);
}

/* Keeps the last result, or the first that is an error. false: a kind of answer that no statement of ours has. */
static bool keep_result(struct pg *pg, PGresult *result) {
    ExecStatusType status = PQresultStatus(result);

    if (pg->kept && PQresultStatus(pg->kept) == PGRES_FATAL_ERROR)
        PQclear(result);
    else {
        PQclear(pg->kept);
        pg->kept = result;
    }
    if (status != PGRES_COPY_IN && status != PGRES_COPY_OUT && status != PGRES_COPY_BOTH)
        return true;
    pg_error_set(&pg->farewell, "a statement asked for COPY, which is not spoken here");
    return false;
}

static void read_results(struct pg *pg) {
    while ((pg->state == STATE_QUERY || pg->state == STATE_PINNING) && !PQisBusy(pg->conn)) {
        PGresult *result = PQgetResult(pg->conn);
        if (!result) {
            unsigned generation = pg->generation;
            finish_query(pg);
            /* Notifications that came with the end of the answer were parsed only now. */
            if (pg->generation == generation)
                drain_notifications(pg);
            return;
        }
        if (!keep_result(pg, result) || PQstatus(pg->conn) == CONNECTION_BAD) {
            fail(pg);
            return;
        }
    }
}

/* Many small messages. */
static bool is_too_much(struct pg *pg) {
    int waiting = 0;

    if (pg->state == STATE_QUERY && ioctl(PQsocket(pg->conn), FIONREAD, &waiting) == 0)
        pg->received += (size_t) waiting;
    return pg->received > ANSWER_MAX_BYTES;
}

/* One large message: libpq makes room for all of it as soon as its length has come, and later reads as much in one call. */
static bool is_too_large(struct pg *pg) {
    size_t mapped = mallinfo2().hblkhd;

    return PQisBusy(pg->conn) && mallinfo2().hblkhd > mapped + ANSWER_MAX_BYTES;
}

static bool consume(struct pg *pg) {
    bool is_bounded = pg->watch.event && !pg->handler.on_notify;

    if ((is_bounded && is_too_much(pg)) || !PQconsumeInput(pg->conn))
        return false;
    if (!is_bounded || !is_too_large(pg))
        return true;
    pg->received = SIZE_MAX;
    return false;
}

static void read_input(struct pg *pg) {
    unsigned generation = pg->generation;

    /* A TLS record may be larger than the room that libpq had for it: the rest is inside the TLS library, where epoll cannot
     * see it, and fits the second time. */
    if (!consume(pg) || (PQsslInUse(pg->conn) && PQisBusy(pg->conn) && !consume(pg))) {
        if (pg->received > ANSWER_MAX_BYTES)
            pg_error_set(&pg->farewell, "the server sent more than %d MB", ANSWER_MAX_BYTES / 1024 / 1024);
        fail(pg);
        return;
    }
    drain_notifications(pg);
    if (pg->generation == generation)
        read_results(pg);
}

/* ---- What the loop calls ---- */

static void deadline_passed(struct pg *pg) {
    if (pg->state == STATE_FAILING) {
        fail(pg);
        return;
    }
    if (pg->state == STATE_CONNECTING && PQstatus(pg->conn) == CONNECTION_STARTED) {
        /* Nobody answers at this address. Only libpq's blocking calls go on to the next one by themselves; here its socket is
         * made to fail, and libpq goes on, or says that this was the last. */
        arm_limit(pg, pg->host_limit_usec);
        (void) shutdown(PQsocket(pg->conn), SHUT_RDWR);
        connect_step(pg);
        return;
    }
    pg_error_set(&pg->farewell, "no answer from the server within %.1f s", (double) pg->limit_usec / (double) USEC_PER_SEC);
    fail(pg);
}

void pg_dispatch(short events, void *userdata) {
    struct pg *pg = userdata;

    /* An answer that is read after its deadline is none: this process was stopped meanwhile, and what it says holds no more. */
    if (events == 0 || (pg->state == STATE_QUERY && pg_watch_is_past(&pg->watch)))
        deadline_passed(pg);
    else if (pg->state == STATE_CONNECTING)
        connect_step(pg);
    else {
        if ((pg->watch.events & POLLOUT) && flush(pg) < 0) {
            fail(pg);
            return;
        }
        if (events & ~POLLOUT)
            read_input(pg);
    }
}

const struct pg_watch *pg_watched(const struct pg *pg) {
    return &pg->watch;
}

bool pg_was_notified(struct pg *pg) {
    bool notified = pg->notified;

    pg->notified = false;
    return notified;
}

/* ---- For the owner ---- */

int pg_new(sd_event *event, const char *conninfo, const char *name, const struct pg_handler *handler, void *userdata,
           struct pg **ret) {
    _cleanup_(pg_freep) struct pg *pg = calloc(1, sizeof(*pg));

    if (!pg)
        return -ENOMEM;
    pg_set_handler(pg, handler, userdata);
    pg->conninfo = strdup(conninfo);
    if (!pg->conninfo || asprintf(&pg->application_name, "pgherald %s", name) < 0)
        return -ENOMEM;
    int r = pg_watch_init(&pg->watch, event, pg_dispatch, pg);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(pg);
    return 0;
}

struct pg *pg_free(struct pg *pg) {
    if (!pg)
        return NULL;
    pg_disconnect(pg);
    pg_watch_done(&pg->watch);
    free(pg->conninfo);
    free(pg->application_name);
    free(pg);
    return NULL;
}

void pg_set_handler(struct pg *pg, const struct pg_handler *handler, void *userdata) {
    pg->handler = handler ? *handler : (struct pg_handler) {0};
    pg->userdata = userdata;
}

bool pg_is_connected(const struct pg *pg) {
    return pg->state == STATE_IDLE || pg->state == STATE_QUERY;
}

bool pg_is_idle(const struct pg *pg) {
    return pg->state == STATE_IDLE;
}

int pg_backend(const struct pg *pg) {
    return pg_is_connected(pg) ? PQbackendPID(pg->conn) : 0;
}

/* After a statement was handed to libpq, with r. */
static void query_started(struct pg *pg, int r, uint64_t time_limit_usec, pg_done_fn done, void *userdata) {
    pg->done = done;
    pg->done_userdata = userdata;
    pg->received = 0;
    pg->state = STATE_QUERY;
    if (r < 0) {
        fail_later(pg);
    } else
        arm_limit(pg, time_limit_usec);
}

int pg_query(struct pg *pg, enum query query, const char *const *parameters, uint64_t time_limit_usec, pg_done_fn done,
             void *userdata) {
    if (!pg_is_idle(pg))
        return pg->state == STATE_QUERY ? -EBUSY : -ENOTCONN;
    query_started(pg, send_query(pg, query, parameters), time_limit_usec, done, userdata);
    return 0;
}

int pg_query_script(struct pg *pg, const char *script, pg_done_fn done, void *userdata) {
    if (!pg_is_idle(pg))
        return pg->state == STATE_QUERY ? -EBUSY : -ENOTCONN;
    pg->script = script;
    query_started(pg, PQsendQuery(pg->conn, script) ? flush(pg) : -EPIPE, UINT64_MAX, done, userdata);
    return 0;
}

int pg_cancel(struct pg *pg) {
    char reason[256];

    if (pg->state != STATE_QUERY)
        return -ENOTCONN;
    PGcancel *cancel = PQgetCancel(pg->conn);
    if (!cancel)
        return -ENOMEM;
    int ok = PQcancel(cancel, reason, sizeof(reason));
    PQfreeCancel(cancel);
    return ok ? 0 : -EIO;
}
