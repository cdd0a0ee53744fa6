#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/secret.h"

static char root[] = "/tmp/pgherald-secret-XXXXXX";
static char service_dir[64], own_dir[64];

static void put(const char *directory, const char *name, const char *bytes, size_t size) {
    char path[256];
    int fd;

    (void) snprintf(path, sizeof(path), "%s/%s", directory, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    (void) close(fd);
}

static int setup(void **state) {
    if (!mkdtemp(root))
        return -1;
    (void) snprintf(service_dir, sizeof(service_dir), "%s/service", root);
    (void) snprintf(own_dir, sizeof(own_dir), "%s/own", root);
    return mkdir(service_dir, 0700) < 0 || mkdir(own_dir, 0700) < 0 ? -1 : setenv("CREDENTIALS_DIRECTORY", service_dir, 1);
}

static int teardown(void **state) {
    char command[128];

    (void) snprintf(command, sizeof(command), "rm -rf %s", root);
    return system(command);
}

static void expect(const char *name, const char *expected) {
    _cleanup_(secret_freep) struct secret *s = NULL;
    _cleanup_(buf_done) struct buf error = BUF_MAX(1024);

    if (secret_load(name, own_dir, &s, &error) < 0)
        fail_msg("%s", buf_string(&error));
    assert_string_equal(secret_reveal(s), expected);
}

static void test_no_core_file_has_it(void **state) {
    put(own_dir, "core", "hunter2", 7);
    assert_int_equal(prctl(PR_SET_DUMPABLE, 1), 0);
    expect("core", "hunter2");
    assert_int_equal(prctl(PR_GET_DUMPABLE), 0);
}

static void expect_error(const char *name, const char *directory, int r, const char *part) {
    _cleanup_(buf_done) struct buf error = BUF_MAX(1024);
    struct secret *s = NULL;

    assert_int_equal(secret_load(name, directory, &s, &error), r);
    assert_null(s);
    if (!strstr(buf_string(&error), part))
        fail_msg("\"%s\" is not in: %s", part, buf_string(&error));
    assert_null(strstr(buf_string(&error), "hunter2"));
}

static void test_order(void **state) {
    assert_int_equal(setenv("PGHERALD_CREDENTIAL_token", "from-environment", 1), 0);
    expect("token", "from-environment");
    put(own_dir, "token", "from-directory", 14);
    expect("token", "from-directory");
    put(service_dir, "token", "from-service", 12);
    expect("token", "from-service");
    assert_int_equal(unsetenv("PGHERALD_CREDENTIAL_token"), 0);
}

static void test_line_ends(void **state) {
    put(own_dir, "lf", "secret\n", 7);
    expect("lf", "secret");
    put(own_dir, "crlf", "secret\r\n", 8);
    expect("crlf", "secret");
    put(own_dir, "spaces", "  kept  \n", 9);
    expect("spaces", "  kept  ");
}

static void test_longest(void **state) {
    static char bytes[SECRET_BYTES_MAX + 8];
    char *expected;

    memset(bytes, 'x', sizeof(bytes));
    bytes[SECRET_BYTES_MAX] = '\n';
    put(own_dir, "longest", bytes, SECRET_BYTES_MAX + 1);
    expected = strndup(bytes, SECRET_BYTES_MAX);
    expect("longest", expected);
    free(expected);

    bytes[SECRET_BYTES_MAX] = 'x';
    for (size_t more = 1; more <= 8; more++) {
        put(own_dir, "too-long", bytes, SECRET_BYTES_MAX + more);
        expect_error("too-long", own_dir, -EINVAL, "longer than 4096 bytes");
    }
}

static void test_refuses(void **state) {
    static const char *const names[] = {"", ".", "..", ".hidden", "a/b", "../token", "a b", "a\nb", "ä", "a=b"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        expect_error(names[i], own_dir, -EINVAL, "is not allowed: letters");
    put(own_dir, "empty", "", 0);
    expect_error("empty", own_dir, -EINVAL, "\"empty\" from credentials_dir cannot be used: it is empty");
    put(own_dir, "newline", "\n", 1);
    expect_error("newline", own_dir, -EINVAL, "it is empty");
    put(own_dir, "two", "hunter2\r\nX-Evil: 1\n", 19);
    expect_error("two", own_dir, -EINVAL, "it holds a control byte");
    put(own_dir, "twice", "hunter2\n\n", 9);
    expect_error("twice", own_dir, -EINVAL, "it holds a control byte");
    put(own_dir, "nul", "hunter2\0x", 9);
    expect_error("nul", own_dir, -EINVAL, "it holds a control byte");
}

static void test_missing(void **state) {
    char path[128];

    (void) snprintf(path, sizeof(path), "%s/directory", own_dir);
    expect_error("none", own_dir, -ENOENT, "PGHERALD_CREDENTIAL_none");
    expect_error("none", "", -ENOENT, "LoadCredential=none:");
    expect_error("none", NULL, -ENOENT, "is nowhere");
    expect_error("none", "/nonexistent", -ENOENT, "is nowhere");
    assert_int_equal(mkdir(path, 0700), 0);
    expect_error("directory", own_dir, -EISDIR, "Is a directory");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),   cmocka_unit_test(test_line_ends), cmocka_unit_test(test_longest),
        cmocka_unit_test(test_no_core_file_has_it),
        cmocka_unit_test(test_refuses), cmocka_unit_test(test_missing),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
