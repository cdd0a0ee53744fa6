/* What systemd is told, and what it asks for: readiness, status, watchdog, stop. Everything does nothing without systemd. */
#pragma once

#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/cleanup.h"

void service_ready(void);
void service_stopping(void);

/* RELOADING=1 with its monotonic stamp; service_ready() ends it. */
void service_reloading(void);

/* One sentence for a person; control bytes in foreign parts are made visible (a line end here would be a command to systemd). */
void service_status(const char *format, ...) _printf_(1, 2);

/* The listening stream socket that systemd passed: 1 and the socket, owned by the caller; 0: none was passed; -EINVAL: something
 * else, or more than one. */
int service_take_socket(int *ret_fd) _must_check_;

/* Half the watchdog's interval in microseconds, or 0 where there is none. */
uint64_t service_watchdog_interval_usec(void);
void service_watchdog_ping(void);
