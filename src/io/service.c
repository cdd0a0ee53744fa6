#include "io/service.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <systemd/sd-daemon.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"

enum { STATUS_BYTES_MAX = 1024 };

void service_ready(void) {
    (void) sd_notify(0, "READY=1");
}

void service_stopping(void) {
    (void) sd_notify(0, "STOPPING=1");
}

void service_reloading(void) {
    (void) sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long) clock_monotonic_usec());
}

void service_status(const char *format, ...) {
    _cleanup_(buf_done) struct buf raw = BUF_MAX(16 * 1024);
    _cleanup_(buf_done) struct buf status = BUF_MAX(STATUS_BYTES_MAX + 16);
    va_list args;

    va_start(args, format);
    (void) buf_vprintf(&raw, format, args);
    va_end(args);
    (void) buf_append_string(&status, "STATUS=");
    (void) text_append_printable(&status, buf_string(&raw), STATUS_BYTES_MAX);
    if (buf_error(&raw) == 0 && buf_error(&status) == 0)
        (void) sd_notify(0, buf_string(&status));
}

int service_take_socket(int *ret_fd) {
    int n = sd_listen_fds(1);

    if (n <= 0)
        return n;
    if (n > 1 || sd_is_socket(SD_LISTEN_FDS_START, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
        return -EINVAL;
    *ret_fd = SD_LISTEN_FDS_START;
    return 1;
}

uint64_t service_watchdog_interval_usec(void) {
    uint64_t usec = 0;

    return sd_watchdog_enabled(0, &usec) > 0 ? usec / 2 : 0;
}

void service_watchdog_ping(void) {
    (void) sd_notify(0, "WATCHDOG=1");
}
