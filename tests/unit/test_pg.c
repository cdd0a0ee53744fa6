/* io/pg against a PostgreSQL of its own: what it does when all is well, and in which way each fault comes out. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "io/pg.h"
#include "io/pg_internal.h"

static char directory[] = "/tmp/pgherald-test-pg-XXXXXX";
static char conninfo[256];

/* ---- The cluster ---- */

static _printf_(1, 2) int shell(const char *format, ...) {
    char command[2048];
    va_list args;

    va_start(args, format);
    (void) vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    return system(command);
}

static const char *as_postgres(void) {
    return geteuid() == 0 ? "runuser -u postgres --" : "";
}

static const char *bin_directory(void) {
    static char path[256];
    glob_t found;

    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) != 0)
        return NULL;
    (void) snprintf(path, sizeof(path), "%s", found.gl_pathv[found.gl_pathc - 1]);
    *strrchr(path, '/') = '\0';
    globfree(&found);
    return path;
}

/* After a kill, the old server's processes and shared memory may take a moment to go. */
static void cluster_start(void) {
    for (int tries = 0; tries < 50; tries++)
        if (shell("cd / && %s %s/pg_ctl -s -w -D %s/data -l %s/log start 2>/dev/null", as_postgres(), bin_directory(),
                  directory, directory) == 0)
            return;
    fail_msg("the cluster does not start; see %s/log", directory);
}

static int setup(_unused_ void **state) {
    if (!bin_directory() || !mkdtemp(directory))
        return -1;
    if (shell("chown $(%s id -u) %s && cd / && %s %s/initdb -A trust -U postgres -E UTF8 --locale=C -N -D %s/data >/dev/null",
              as_postgres(), directory, as_postgres(), bin_directory(), directory) != 0 ||
        shell("echo \"listen_addresses='' unix_socket_directories='%s' fsync=off\" | tr ' ' '\\n' >>%s/data/postgresql.conf",
              directory, directory) != 0)
        return -1;
    cluster_start();
    (void) snprintf(conninfo, sizeof(conninfo), "host=%s dbname=postgres user=postgres", directory);
    return shell("psql -q '%s' -c \"create schema herald;"
                 " create function herald.preview(text, jsonb) returns text immutable return \\$1;"
                 " create function herald.send(a text[], text) returns text immutable return array_to_json(\\$1)::text\"",
                 conninfo);
}

static int teardown(_unused_ void **state) {
    (void) shell("cd / && %s %s/pg_ctl -s -m immediate -D %s/data stop", as_postgres(), bin_directory(), directory);
    return shell("rm -rf %s", directory);
}

/* SQL from elsewhere, after a moment, while the loop runs. */
static void psql_soon(const char *sql) {
    assert_int_equal(0, shell("(sleep 0.2; psql -q '%s' -c \"%s\" >/dev/null) &", conninfo, sql));
}

/* ---- An owner that notes what it is told ---- */

struct owner {
    sd_event *event;
    struct pg *pg;
    unsigned connected, lost, notified, done;
    unsigned notified_before_done;
    struct pg_error error;
    char text[128];
    size_t bytes;
    bool disconnect_when_notified;
};

static void on_connected(_unused_ struct pg *pg, void *userdata) {
    ((struct owner *) userdata)->connected++;
}

static void on_lost(struct pg *pg, const struct pg_error *error, void *userdata) {
    struct owner *o = userdata;

    o->lost++;
    o->error = *error;
    assert_true(error->connection_lost);
    assert_false(pg_is_connected(pg));
}

static void on_notify(struct pg *pg, const char *channel, const char *payload, void *userdata) {
    struct owner *o = userdata;

    o->notified++;
    assert_string_equal(channel, "herald");
    assert_non_null(payload);
    if (o->disconnect_when_notified)
        pg_disconnect(pg);
}

static void on_done(struct pg *pg, const struct pg_result *result, const struct pg_error *error, void *userdata) {
    struct owner *o = userdata;

    assert_true(!result != !error);
    assert_true(pg_is_idle(pg));
    o->done++;
    o->notified_before_done = o->notified;
    if (error)
        o->error = *error;
    else if (pg_rows(result) > 0 && pg_text(result, 0, 0)) {
        (void) snprintf(o->text, sizeof(o->text), "%s", pg_text(result, 0, 0));
        o->bytes = pg_text_bytes(result, 0, 0);
    }
}

static struct owner owner_new(void) {
    struct owner o = {0};

    assert_true(sd_event_new(&o.event) >= 0);
    return o;
}

static void owner_connect(struct owner *o, const char *where) {
    static const struct pg_handler handler = {.on_connected = on_connected, .on_lost = on_lost, .on_notify = on_notify};

    assert_int_equal(0, pg_new(o->event, where, "test", &handler, o, &o->pg));
    assert_int_equal(0, pg_connect(o->pg));
    assert_int_equal(0, o->lost); /* never from inside the call */
}

static void owner_done(struct owner *o) {
    o->pg = pg_free(o->pg);
    sd_event_unref(o->event);
}

/* Turns the loop until the counter has that value, for at most ten seconds. */
static void run_until(struct owner *o, const unsigned *counter, unsigned value) {
    uint64_t end_usec = clock_monotonic_usec() + 10 * USEC_PER_SEC;

    while (*counter < value && clock_monotonic_usec() < end_usec)
        assert_true(sd_event_run(o->event, USEC_PER_SEC) >= 0);
    assert_int_equal(*counter, value);
}

static void owner_ready(struct owner *o) {
    *o = owner_new();
    owner_connect(o, conninfo);
    run_until(o, &o->connected, 1);
    assert_true(pg_is_idle(o->pg));
}

static void run_script(struct owner *o, const char *script) {
    assert_int_equal(0, pg_query_script(o->pg, script, on_done, o));
}

/* ---- All is well ---- */

static void test_session_is_pinned(_unused_ void **state) {
    struct owner o;

    owner_ready(&o);
    run_script(&o, "select concat_ws('|', current_setting('search_path'), current_setting('statement_timeout'),"
                   " current_setting('timezone'), current_setting('client_encoding'), current_setting('application_name'))");
    run_until(&o, &o.done, 1);
    assert_string_equal(o.text, "pg_catalog, pg_temp|10s|UTC|UTF8|pgherald test");
    owner_done(&o);
}

static void test_dsn_overrides(_unused_ void **state) {
    struct owner o = owner_new();
    char where[400];

    (void) snprintf(where, sizeof(where), "%s application_name=mine client_encoding=LATIN1", conninfo);
    owner_connect(&o, where);
    run_until(&o, &o.connected, 1);
    run_script(&o, "select concat_ws('|', current_setting('application_name'), current_setting('client_encoding'))");
    run_until(&o, &o.done, 1);
    assert_string_equal(o.text, "mine|UTF8");
    owner_done(&o);
}

static void test_large_parameter(_unused_ void **state) {
    enum { SIZE = 8 * 1024 * 1024 };
    struct owner o;
    _cleanup_(freep) char *large = malloc(SIZE + 1);

    assert_non_null(large);
    memset(large, 'x', SIZE);
    large[SIZE] = '\0';
    owner_ready(&o);
    const char *parameters[] = {large, NULL};
    assert_int_equal(0, pg_query(o.pg, QUERY_CLI_PREVIEW, parameters, 10 * USEC_PER_SEC, on_done, &o));
    assert_int_equal(-EBUSY, pg_query(o.pg, QUERY_CLI_PREVIEW, parameters, 10 * USEC_PER_SEC, on_done, &o));
    run_until(&o, &o.done, 1);
    assert_int_equal(o.bytes, SIZE);
    owner_done(&o);
}

static void test_array_parameter(_unused_ void **state) {
    struct owner o;
    _cleanup_(buf_done) struct buf b = BUF_MAX(1024);

    pg_array_begin(&b);
    pg_array_add(&b, "plain");
    pg_array_add(&b, "a \"quoted\", {braced}\\ one");
    pg_array_add(&b, NULL);
    pg_array_add(&b, "NULL");
    pg_array_add(&b, "");
    pg_array_add(&b, "\\\\\"");
    pg_array_add(&b, "{");
    pg_array_add_int(&b, -42);
    pg_array_end(&b);
    assert_int_equal(0, buf_error(&b));
    owner_ready(&o);
    const char *parameters[] = {buf_string(&b), NULL};
    assert_int_equal(0, pg_query(o.pg, QUERY_CLI_SEND, parameters, 10 * USEC_PER_SEC, on_done, &o));
    run_until(&o, &o.done, 1);
    assert_string_equal(o.text,
                        "[\"plain\",\"a \\\"quoted\\\", {braced}\\\\ one\",null,\"NULL\",\"\",\"\\\\\\\\\\\"\",\"{\",\"-42\"]");
    owner_done(&o);
}

static void test_error_keeps_connection(_unused_ void **state) {
    int level = log_get_level();
    struct owner o;

    owner_ready(&o);
    run_script(&o, "do $$ begin raise exception 'first\n line' using errcode = 'HE001', detail = 'why', hint = 'do'; end $$");
    run_until(&o, &o.done, 1);
    assert_string_equal(o.error.sqlstate, "HE001");
    assert_string_equal(o.error.text, "first line · do"); /* the detail may be somebody's row */
    assert_false(o.error.connection_lost);
    log_set_level(LOG_DEBUG);
    run_script(&o, "do $$ begin raise exception 'x' using detail = 'why'; end $$");
    run_until(&o, &o.done, 2);
    log_set_level(level);
    assert_string_equal(o.error.text, "x · why");
    run_script(&o, "select 1;\n\nselect 'ü',\n oops");
    run_until(&o, &o.done, 3);
    assert_string_equal(o.error.sqlstate, "42703");
    assert_string_equal(o.error.text, "column \"oops\" does not exist · line 4");
    run_script(&o, "do $$ begin raise exception '%', repeat('ü', 1000); end $$");
    run_until(&o, &o.done, 4);
    assert_int_equal(strlen(o.error.text), 510); /* whole characters only */
    run_script(&o, "select 'still here'");
    run_until(&o, &o.done, 5);
    assert_string_equal(o.text, "still here");
    assert_int_equal(o.lost, 0);
    owner_done(&o);
}

static void test_notify_idle_and_busy(_unused_ void **state) {
    struct owner o;

    owner_ready(&o);
    assert_int_equal(0, pg_query(o.pg, QUERY_LISTEN, NULL, USEC_PER_SEC, on_done, &o));
    run_until(&o, &o.done, 1);
    psql_soon("notify herald, 'idle'");
    run_until(&o, &o.notified, 1);
    /* The server sends notifications between statements only: this one comes with the end of the answer. */
    psql_soon("notify herald, 'busy'");
    run_script(&o, "select pg_sleep(0.7)");
    run_until(&o, &o.notified, 2);
    run_until(&o, &o.done, 2);
    run_script(&o, "notify herald, 'own'");
    run_until(&o, &o.done, 3);
    run_until(&o, &o.notified, 3);
    owner_done(&o);
}

static void test_disconnect_in_callback(_unused_ void **state) {
    struct owner o;

    owner_ready(&o);
    o.disconnect_when_notified = true;
    run_script(&o, "listen herald; notify herald; notify herald, '2'");
    run_until(&o, &o.notified, 1);
    assert_false(pg_is_connected(o.pg));
    assert_int_equal(o.lost, 0);
    o.disconnect_when_notified = false;
    assert_int_equal(-ENOTCONN, pg_query(o.pg, QUERY_LISTEN, NULL, 0, on_done, &o));
    assert_int_equal(0, pg_connect(o.pg));
    run_until(&o, &o.connected, 2);
    owner_done(&o);
}

static void test_cancel(_unused_ void **state) {
    struct owner o;

    owner_ready(&o);
    run_script(&o, "select pg_sleep(60)");
    /* A request that comes before the statement has begun cancels nothing. */
    for (unsigned i = 0; i < 100 && o.done == 0; i++) {
        assert_int_equal(0, pg_cancel(o.pg));
        assert_true(sd_event_run(o.event, USEC_PER_SEC / 10) >= 0);
    }
    run_until(&o, &o.done, 1);
    assert_string_equal(o.error.sqlstate, "57014");
    assert_int_equal(o.lost, 0);
    owner_done(&o);
}

/* ---- Faults ---- */

static void test_refused(_unused_ void **state) {
    struct owner o = owner_new();

    owner_connect(&o, "host=/nonexistent");
    run_until(&o, &o.lost, 1);
    assert_non_null(strstr(o.error.text, "No such file or directory"));
    assert_null(strchr(o.error.text, '\n'));
    owner_done(&o);

    o = owner_new();
    owner_connect(&o, "no-such-keyword=1");
    run_until(&o, &o.lost, 1);
    assert_non_null(strstr(o.error.text, "no-such-keyword"));
    owner_done(&o);
}

static void test_free_at_any_time(_unused_ void **state) {
    struct owner o = owner_new();

    owner_connect(&o, conninfo);
    owner_done(&o);

    o = owner_new();
    owner_connect(&o, "host=/nonexistent"); /* lost, not told yet */
    owner_done(&o);

    owner_ready(&o);
    run_script(&o, "select pg_sleep(60)");
    pg_disconnect(o.pg);
    assert_int_equal(0, pg_connect(o.pg));
    run_until(&o, &o.connected, 2);
    run_script(&o, "select pg_sleep(60)");
    owner_done(&o);
    assert_int_equal(o.done, 0);
    assert_int_equal(o.lost, 0);
}

static void test_terminated(_unused_ void **state) {
    struct owner o;

    owner_ready(&o);
    run_script(&o, "select pg_sleep(60)");
    psql_soon("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgherald test'");
    run_until(&o, &o.lost, 1);
    assert_string_equal(o.error.sqlstate, "57P01");
    assert_int_equal(o.done, 0);

    assert_int_equal(0, pg_connect(o.pg));
    run_until(&o, &o.connected, 2);
    psql_soon("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgherald test'");
    run_until(&o, &o.lost, 2);
    assert_non_null(strstr(o.error.text, "administrator command"));
    owner_done(&o);
}

static void test_postmaster_killed(_unused_ void **state) {
    struct owner o;

    owner_ready(&o);
    run_script(&o, "select pg_sleep(60)");
    assert_int_equal(0, shell("(sleep 0.2; kill -9 $(head -1 %s/data/postmaster.pid) $(pgrep -P $(head -1 "
                              "%s/data/postmaster.pid))) &", directory, directory));
    run_until(&o, &o.lost, 1);
    assert_int_equal(o.done, 0);
    assert_string_equal(o.error.sqlstate, "");
    owner_done(&o);
    cluster_start();
}

static void test_time_limit(_unused_ void **state) {
    struct owner o;
    uint64_t start_usec = clock_monotonic_usec();

    owner_ready(&o);
    assert_int_equal(0, shell("psql -q '%s' -c \"create or replace function herald.preview(text, jsonb) returns text"
                              " language sql as 'select \\$1 from pg_sleep(60)'\"", conninfo));
    const char *parameters[] = {"", NULL};
    assert_int_equal(0, pg_query(o.pg, QUERY_CLI_PREVIEW, parameters, 300 * USEC_PER_MSEC, on_done, &o));
    run_until(&o, &o.lost, 1);
    assert_int_equal(o.done, 0);
    assert_string_equal(o.error.text, "no answer from the server within 0.3 s");
    assert_true(clock_monotonic_usec() - start_usec < 5 * USEC_PER_SEC);
    owner_done(&o);
}

static int listener(uint16_t *ret_port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(0, bind(fd, (struct sockaddr *) &a, sizeof(a)));
    assert_int_equal(0, listen(fd, 0));
    assert_int_equal(0, getsockname(fd, (struct sockaddr *) &a, &size));
    *ret_port = ntohs(a.sin_port);
    return fd;
}

/* The kernel completes connections for a server that never answers … */
static void test_silent_server(_unused_ void **state) {
    struct owner o = owner_new();
    char where[200];
    uint16_t port;
    _cleanup_(closep) _unused_ int fd = listener(&port);

    (void) snprintf(where, sizeof(where), "host=127.0.0.1 port=%u connect_timeout=1 user=postgres", port);
    owner_connect(&o, where);
    run_until(&o, &o.lost, 1);
    assert_string_equal(o.error.text, "no answer from the server within 1.0 s");
    owner_done(&o);
}

/* … and drops packets for one whose queue is full: as a host that is gone. The next host must be tried. */
static void test_vanished_host(_unused_ void **state) {
    struct owner o = owner_new();
    char where[400];
    uint16_t port;
    _cleanup_(closep) _unused_ int fd = listener(&port);
    int fill[4];
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};

    for (size_t i = 0; i < ELEMENTSOF(fill); i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void) !connect(fill[i], (struct sockaddr *) &a, sizeof(a));
    }
    (void) snprintf(where, sizeof(where), "host=127.0.0.1,%s port=%u,5432 dbname=postgres user=postgres connect_timeout=1",
                    directory, port);
    uint64_t start_usec = clock_monotonic_usec();
    owner_connect(&o, where);
    run_until(&o, &o.connected, 1);
    assert_true(clock_monotonic_usec() - start_usec >= 900 * USEC_PER_MSEC);
    owner_done(&o);

    o = owner_new();
    (void) snprintf(where, sizeof(where), "host=127.0.0.1 port=%u connect_timeout=1", port);
    owner_connect(&o, where);
    run_until(&o, &o.lost, 1);
    owner_done(&o);
    for (size_t i = 0; i < ELEMENTSOF(fill); i++)
        closep(&fill[i]);
}

/* ---- Waiting without a loop ---- */

static struct pg *waiting(const char *where) {
    struct pg *pg;
    struct pg_error error;

    assert_int_equal(0, pg_new(NULL, where, "test", NULL, NULL, &pg));
    assert_int_equal(0, pg_wait_connect(pg, &error));
    return pg;
}

static void test_wait(_unused_ void **state) {
    _cleanup_(pg_freep) struct pg *pg = waiting(conninfo);
    struct pg_error error;
    struct pg_result *r;
    const char *parameters[] = {"abc"};

    assert_int_equal(0, pg_wait_query(pg, QUERY_MIGRATE_CHECKSUM, parameters, &r, &error));
    assert_string_equal(pg_text(r, 0, 0), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(pg_columns(r), 1);
    assert_string_equal(pg_column_name(r, 0), "encode");
    pg_result_free(r);

    assert_int_equal(-EIO, pg_wait_script(pg, "select 1;\nselect oops", &error));
    assert_string_equal(error.text, "column \"oops\" does not exist · line 2");
    assert_int_equal(0, pg_wait_script(pg, "listen herald; notify herald", &error));
    assert_int_equal(1, pg_wait_notify(pg, 10 * USEC_PER_SEC, &error));
    assert_int_equal(0, pg_wait_notify(pg, 50 * USEC_PER_MSEC, &error));
    psql_soon("notify herald");
    assert_int_equal(1, pg_wait_notify(pg, 10 * USEC_PER_SEC, &error));

    psql_soon("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgherald test'");
    assert_int_equal(-EIO, pg_wait_script(pg, "select pg_sleep(60)", &error));
    assert_true(error.connection_lost);
    assert_int_equal(-EIO, pg_wait_script(pg, "select 1", &error));
    assert_true(error.connection_lost);
}

static void test_wait_lost_at_connect(_unused_ void **state) {
    _cleanup_(pg_freep) struct pg *pg = NULL;
    struct pg_error error;

    assert_int_equal(0, pg_new(NULL, "host=/nonexistent", "test", NULL, NULL, &pg));
    assert_int_equal(-EIO, pg_wait_connect(pg, &error));
    assert_non_null(strstr(error.text, "/nonexistent"));
}

static void test_interrupt(_unused_ void **state) {
    _cleanup_(pg_freep) struct pg *pg = waiting(conninfo);
    struct pg_error error;

    assert_int_equal(0, shell("(sleep 0.3; kill -INT %d) &", (int) getpid()));
    assert_int_equal(-EIO, pg_wait_script(pg, "select pg_sleep(60)", &error));
    assert_string_equal(error.sqlstate, "57014");
    assert_int_equal(0, shell("(sleep 0.3; kill -INT %d) &", (int) getpid()));
    assert_int_equal(-EINTR, pg_wait_notify(pg, 10 * USEC_PER_SEC, &error));
    assert_int_equal(0, pg_wait_script(pg, "select 1", &error));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session_is_pinned),
        cmocka_unit_test(test_dsn_overrides),
        cmocka_unit_test(test_large_parameter),
        cmocka_unit_test(test_array_parameter),
        cmocka_unit_test(test_error_keeps_connection),
        cmocka_unit_test(test_notify_idle_and_busy),
        cmocka_unit_test(test_disconnect_in_callback),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_free_at_any_time),
        cmocka_unit_test(test_terminated),
        cmocka_unit_test(test_postmaster_killed),
        cmocka_unit_test(test_time_limit),
        cmocka_unit_test(test_silent_server),
        cmocka_unit_test(test_vanished_host),
        cmocka_unit_test(test_wait),
        cmocka_unit_test(test_wait_lost_at_connect),
        cmocka_unit_test(test_interrupt),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
