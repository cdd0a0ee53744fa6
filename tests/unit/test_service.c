#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/service.h"

/* systemd's end of the protocol. */
static int manager = -1;
static char directory[] = "/tmp/pgherald-service-XXXXXX";
static struct sockaddr_un address = {.sun_family = AF_UNIX};

static int setup(void **state) {
    if (!mkdtemp(directory))
        return -1;
    (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", directory);
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (manager < 0 || bind(manager, (const struct sockaddr *) (const void *) &address, sizeof(address)) < 0)
        return -1;
    return setenv("NOTIFY_SOCKET", address.sun_path, 1);
}

static int teardown(void **state) {
    (void) close(manager);
    (void) unlink(address.sun_path);
    return rmdir(directory);
}

static const char *received(void) {
    static char text[8192];
    ssize_t n = recv(manager, text, sizeof(text) - 1, 0);

    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void test_states(void **state) {
    unsigned long long usec = 0;

    service_ready();
    assert_string_equal(received(), "READY=1");
    service_stopping();
    assert_string_equal(received(), "STOPPING=1");
    service_watchdog_ping();
    assert_string_equal(received(), "WATCHDOG=1");
    service_reloading();
    assert_int_equal(sscanf(received(), "RELOADING=1\nMONOTONIC_USEC=%llu", &usec), 1);
    assert_in_range(usec, clock_monotonic_usec() - USEC_PER_MINUTE, clock_monotonic_usec());
}

static void test_status_is_one_line(void **state) {
    char huge[5000];

    service_status("%d waiting; last error: %s", 3, "x\nWATCHDOG=trigger");
    assert_string_equal(received(), "STATUS=3 waiting; last error: x\\x0aWATCHDOG=trigger");
    memset(huge, 'a', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = '\0';
    service_status("%s", huge);
    assert_int_equal(strlen(received()), 7 + 1024);
}

static void test_watchdog_interval(void **state) {
    char pid[32];

    assert_int_equal(service_watchdog_interval_usec(), 0);
    (void) snprintf(pid, sizeof(pid), "%ld", (long) getpid());
    (void) setenv("WATCHDOG_USEC", "30000000", 1);
    (void) setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(service_watchdog_interval_usec(), 15 * USEC_PER_SEC);
    (void) setenv("WATCHDOG_PID", "1", 1); /* meant for another process */
    assert_int_equal(service_watchdog_interval_usec(), 0);
}

static void test_without_systemd(void **state) {
    (void) unsetenv("NOTIFY_SOCKET");
    service_ready();
    service_status("%s", "nobody listens");
    service_watchdog_ping();
    assert_string_equal(received(), "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_status_is_one_line),
        cmocka_unit_test(test_watchdog_interval),
        cmocka_unit_test(test_without_systemd),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
