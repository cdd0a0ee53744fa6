/* Log lines, each with a kind of its own: under systemd structured journal entries (MESSAGE_ID and fields), otherwise plain
 * lines on standard error.
 *
 * Nothing private or secret may be a field: no bodies, no phone numbers, no tokens; at debug level only, a target may stand.
 * Foreign text is made printable here, so callers pass it as it came. Errors are logged once, at the top of the stack. */
#pragma once

#include <stdint.h>
#include <sys/syslog.h>

#include "base/cleanup.h"

/* Kinds of event; each has a MESSAGE_ID in log.c, listed in the manual page. */
enum log_event {
    LOG_EVENT_NONE, /* a plain line */
    LOG_EVENT_STARTED,
    LOG_EVENT_STOPPING,
    LOG_EVENT_DATABASE_LOST,
    LOG_EVENT_DATABASE_BACK,
    LOG_EVENT_BELL_SILENT, /* LISTEN does not reach us; polling */
    LOG_EVENT_ATTEMPT,     /* one attempt ended */
    LOG_EVENT_SENDER_HELD,
    LOG_EVENT_SENDER_OPENED,
    LOG_EVENT_SWEPT,
    LOG_EVENT_RULE_FAILED,
    LOG_EVENT_RULE_PAUSED, /* a flood */
    LOG_EVENT_RESCUED,     /* rows whose sender died are in doubt, or came back */
    LOG_EVENT_RELOADED,
    LOG_EVENT_WEBHOOK_REFUSED,
    LOG_EVENT_COUNT,
};

struct log_field {
    const char *name;  /* upper case, with the PGHERALD_ prefix; NULL ends a list */
    const char *value; /* foreign text allowed; NULL leaves the field out */
};

/* Where the lines go: the journal where standard error is connected to it ($JOURNAL_STREAM), else standard error. */
void log_open(void);

/* Lines above this syslog level are dropped. Default LOG_INFO. */
void log_set_level(int level);
int log_get_level(void);

/* "debug", "info", "notice", "warning", "err". -EINVAL for anything else. */
int log_level_from_string(const char *text, int *ret_level);
const char *log_level_to_string(int level);

/* The line of an event; fields may be NULL. On standard error the fields follow the text as name=value, without prefix. */
void log_event(enum log_event event, int level, const struct log_field *fields, const char *format, ...) _printf_(4, 5);

#define log_debug(...) log_event(LOG_EVENT_NONE, LOG_DEBUG, NULL, __VA_ARGS__)
#define log_info(...) log_event(LOG_EVENT_NONE, LOG_INFO, NULL, __VA_ARGS__)
#define log_notice(...) log_event(LOG_EVENT_NONE, LOG_NOTICE, NULL, __VA_ARGS__)
#define log_warning(...) log_event(LOG_EVENT_NONE, LOG_WARNING, NULL, __VA_ARGS__)
#define log_error(...) log_event(LOG_EVENT_NONE, LOG_ERR, NULL, __VA_ARGS__)
