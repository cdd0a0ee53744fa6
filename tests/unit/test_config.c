/* link: -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syslog.h>
#include <unistd.h>

#include "failing_malloc.h"
#include "io/config.h"

static char path[] = "/tmp/pgherald-config-XXXXXX";
static size_t path_size;

static int write_bytes(const char *bytes, size_t size) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t n = write(fd, bytes, size);

    (void) close(fd);
    return n == (ssize_t) size ? 0 : -1;
}

static int setup(void **state) {
    static const char *const variables[] = {"WHATSAPP_ENABLED", "PGHERALD_CREDENTIALS_DIR", "PGHERALD_DSN", "PGHERALD_ENABLED",
                                            "PGHERALD_LOG_LEVEL", "PGHERALD_MAX_IN_FLIGHT", "PGHERALD_NODE", "PGHERALD_PLANNERS"};

    for (size_t i = 0; i < ELEMENTSOF(variables); i++)
        (void) unsetenv(variables[i]);
    if (path_size == 0) {
        int fd = mkstemp(path);

        path_size = strlen(path);
        return fd < 0 ? -1 : close(fd);
    }
    return write_bytes("", 0);
}

static int load(const char *text, struct config **ret, struct buf *error) {
    assert_int_equal(write_bytes(text, strlen(text)), 0);
    return config_load(path, ret, error);
}

static void test_defaults(void **state) {
    _cleanup_(config_freep) struct config *c = NULL;
    _cleanup_(buf_done) struct buf error = BUF_MAX(1024);
    char host[256] = "";

    assert_int_equal(load("", &c, &error), 0);
    assert_int_equal(gethostname(host, sizeof(host) - 1), 0);
    assert_string_equal(c->credentials_dir, "");
    assert_string_equal(c->dsn, "");
    assert_true(c->enabled);
    assert_int_equal(c->log_level, LOG_INFO);
    assert_int_equal(c->max_in_flight, 64);
    assert_string_equal(c->node, host);
    assert_int_equal(c->planners, 2);
}

static void test_file(void **state) {
    _cleanup_(config_freep) struct config *c = NULL;
    _cleanup_(buf_done) struct buf error = BUF_MAX(1024);

    assert_int_equal(load("# a comment\n\n   # another\n dsn  =  host=a dbname=b # no comment \r\nmax_in_flight=1000\n"
                          "planners = 8\nplanners = 1\nenabled = off\nlog_level = debug\nnode = \" n1 \"\n"
                          "credentials_dir = /etc/pgherald/credentials", &c, &error), 0);
    assert_string_equal(c->dsn, "host=a dbname=b # no comment");
    assert_int_equal(c->max_in_flight, 1000);
    assert_int_equal(c->planners, 1); /* the last one counts */
    assert_false(c->enabled);
    assert_int_equal(c->log_level, LOG_DEBUG);
    assert_string_equal(c->node, " n1 ");
    assert_string_equal(c->credentials_dir, "/etc/pgherald/credentials");
}

static void test_environment_counts_more(void **state) {
    _cleanup_(config_freep) struct config *c = NULL, *d = NULL;
    _cleanup_(buf_done) struct buf error = BUF_MAX(1024);

    (void) setenv("PGHERALD_NODE", "", 1); /* empty: the host's name */
    (void) setenv("PGHERALD_MAX_IN_FLIGHT", "7", 1);
    (void) setenv("WHATSAPP_ENABLED", "false", 1);
    assert_int_equal(load("max_in_flight = 9\nnode = x\nenabled = true\n", &c, &error), 0);
    assert_int_equal(c->max_in_flight, 7);
    assert_string_not_equal(c->node, "");
    assert_string_not_equal(c->node, "x");
    assert_false(c->enabled);
    assert_int_equal(config_set(c, "max_in_flight", "8", &error), 0); /* and the command line most */
    assert_int_equal(c->max_in_flight, 8);

    (void) setenv("PGHERALD_ENABLED", "true", 1); /* the program's own name counts more than the general one */
    assert_int_equal(load("", &d, &error), 0);
    assert_true(d->enabled);
}

static void test_errors(void **state) {
    static const struct {
        const char *text;
        const char *expected; /* behind the file's name */
    } rows[] = {
        {"\n\nmax_in_fligth = 3\n", ":3: there is no key \"max_in_fligth\"; did you mean \"max_in_flight\"?"},
        {"Planner = 3", ":1: there is no key \"Planner\"; did you mean \"planners\"?"},
        {"dns = x", ":1: there is no key \"dns\"; there are credentials_dir, dsn, enabled, log_level, max_in_flight, node and "
                    "planners."},
        {"colour = red", ":1: there is no key \"colour\"; there are credentials_dir, dsn, enabled, log_level, max_in_flight, "
                         "node and planners."},
        {"x\x1b[31m = 1", ":1: there is no key \"x\\x1b[31m\"; there are credentials_dir, dsn, enabled, log_level, "
                          "max_in_flight, node and planners."},
        {"= 1", ":1: there is no key \"\"; there are credentials_dir, dsn, enabled, log_level, max_in_flight, node and planners."},
        {"max_in_flight = 0", ":1: max_in_flight: \"0\" is not a whole number from 1 to 1000; write one, 64 for instance."},
        {"max_in_flight = 1001", ":1: max_in_flight: \"1001\" is not a whole number from 1 to 1000; write one, 64 for instance."},
        {"planners = 9", ":1: planners: \"9\" is not a whole number from 1 to 8; write one, 2 for instance."},
        {"planners = two", ":1: planners: \"two\" is not a whole number from 1 to 8; write one, 2 for instance."},
        {"planners =", ":1: planners: \"\" is not a whole number from 1 to 8; write one, 2 for instance."},
        {"enabled = maybe", ":1: enabled: \"maybe\" is neither true nor false; write true or false."},
        {"log_level = loud", ":1: log_level: \"loud\" is no level; write debug, info, notice, warning or err."},
        {"dsn = password=hunter2\tx", ":1: dsn: is too long, not UTF-8, or holds a control byte; write one line of text."},
        {"dsn password hunter2", ":1: \"dsn\" is not followed by \"=\"; write a line as \"key = value\"."},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        _cleanup_(buf_done) struct buf error = BUF_MAX(1024);
        struct config *c = NULL;

        assert_int_equal(load(rows[i].text, &c, &error), -EINVAL);
        assert_null(c);
        assert_memory_equal(buf_string(&error), path, path_size);
        assert_string_equal(buf_string(&error) + path_size, rows[i].expected);
        assert_null(strstr(buf_string(&error), "hunter2"));
    }
}

static void test_errors_of_the_environment(void **state) {
    _cleanup_(buf_done) struct buf error = BUF_MAX(1024);
    struct config *c = NULL;

    (void) setenv("PGHERALD_PLANNERS", "many", 1);
    assert_int_equal(load("", &c, &error), -EINVAL);
    assert_string_equal(buf_string(&error), "environment variable PGHERALD_PLANNERS: planners: \"many\" is not a whole number "
                                            "from 1 to 8; write one, 2 for instance.");
    (void) unsetenv("PGHERALD_PLANNERS");
    (void) setenv("WHATSAPP_ENABLED", "perhaps", 1);
    buf_clear(&error);
    assert_int_equal(load("", &c, &error), -EINVAL);
    assert_string_equal(buf_string(&error), "environment variable WHATSAPP_ENABLED: \"perhaps\" is neither true nor false; "
                                            "write true or false.");
    assert_null(c);
}

static void test_files_that_cannot_be_read(void **state) {
    static char large[65 * 1024];
    _cleanup_(buf_done) struct buf error = BUF_MAX(1024);
    struct config *c = NULL;

    assert_int_equal(config_load("/nonexistent/pgherald.conf", &c, &error), -ENOENT);
    assert_non_null(strstr(buf_string(&error), "/nonexistent/pgherald.conf: cannot be read: No such file or directory; "));
    assert_int_equal(config_load("/tmp", &c, &error), -EISDIR);
    memset(large, '\n', sizeof(large));
    assert_int_equal(write_bytes(large, sizeof(large)), 0);
    assert_int_equal(config_load(path, &c, &error), -EMSGSIZE);
    assert_int_equal(write_bytes("planners = 1\0node = x", 21), 0);
    assert_int_equal(config_load(path, &c, &error), -EILSEQ);
    assert_null(c);
}

static void test_no_memory(void **state) {
    static const char text[] = "dsn = host=a\nnode = n\nplanners = 3\n";
    long n = 0;
    int r;

    assert_int_equal(write_bytes(text, sizeof(text) - 1), 0);
    do {
        _cleanup_(buf_done) struct buf error = BUF_MAX(1024);
        struct config *c = NULL;

        allocations_left = n++;
        r = config_load(path, &c, &error);
        allocations_left = -1;
        if (r == 0)
            assert_int_equal(c->planners, 3);
        else
            assert_int_equal(r, -ENOMEM);
        c = config_free(c);
    } while (r < 0);
    assert_true(n > 8);
}

static void test_dump(void **state) {
    _cleanup_(buf_done) struct buf out = BUF_MAX(8192), small = BUF_MAX(10);

    assert_int_equal(config_dump(&out), 0);
    assert_non_null(strstr(buf_string(&out), "\nmax_in_flight\t64\tMost messages"));
    assert_int_equal(config_dump(&small), -EMSGSIZE);
}

static int remove_file(void **state) {
    return unlink(path);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),
        TEST(test_file),
        TEST(test_environment_counts_more),
        TEST(test_errors),
        TEST(test_errors_of_the_environment),
        TEST(test_files_that_cannot_be_read),
        TEST(test_no_memory),
        TEST(test_dump),
    };

    return cmocka_run_group_tests(tests, NULL, remove_file);
}
