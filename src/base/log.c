#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* Records are length-prefixed, so foreign text cannot forge a line. The source location would always be this file. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "base/buf.h"
#include "base/text.h"

enum {
    LOG_FIELDS_MAX = 24,
    LOG_TEXT_BYTES_MAX = 4096,
    LOG_VALUE_BYTES_MAX = 1024,
    LOG_RECORD_BYTES_MAX = LOG_TEXT_BYTES_MAX * 4 + 64,
};

/* One per kind of event, for `journalctl MESSAGE_ID=…`; never reused, never changed. */
static const char *const message_ids[LOG_EVENT_COUNT] = {
    [LOG_EVENT_STARTED] = "cb51de10d2da5edabe7e5932ee19b18b",
    [LOG_EVENT_STOPPING] = "02919d11359ffb0b2cb6ea9bf85782e9",
    [LOG_EVENT_DATABASE_LOST] = "0744f81fc7adcbaaf1b97ef0d870f97b",
    [LOG_EVENT_DATABASE_BACK] = "efd5c52105f92529a15ca8edc896147f",
    [LOG_EVENT_BELL_SILENT] = "23f2704093443d80c68920651ed2d204",
    [LOG_EVENT_ATTEMPT] = "dfb6f22d32c5d243abdf34522dc1d7bf",
    [LOG_EVENT_SENDER_HELD] = "6b40d6e3ea1325a19011f7b8b5ea67b3",
    [LOG_EVENT_SENDER_OPENED] = "3629727c2293df087cecfaadbc463014",
    [LOG_EVENT_SWEPT] = "1b83fe8949e37f4e841c2b2b693c8886",
    [LOG_EVENT_RULE_FAILED] = "eab19ffd46311898f00deea9f0008f85",
    [LOG_EVENT_RULE_PAUSED] = "391e984a1d9d4a3803a53030a6d4a8ff",
    [LOG_EVENT_RESCUED] = "8017d88992e612612b7d0336cf4ad1a0",
    [LOG_EVENT_RELOADED] = "adb22cf87490e5a1017f15044f5f957e",
    [LOG_EVENT_WEBHOOK_REFUSED] = "7f6760da5bd24898115551985bccc772",
};

static const struct {
    const char *name;
    int level;
} levels[] = {
    {"debug", LOG_DEBUG}, {"info", LOG_INFO}, {"notice", LOG_NOTICE}, {"warning", LOG_WARNING}, {"err", LOG_ERR},
};

/* The two things that a whole process shares: there is one standard error, and one level for it. */
static struct {
    bool to_journal;
    int max_level;
} target = {.max_level = LOG_INFO};

void log_open(void) {
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;
    int end = 0;

    target.to_journal = false;
    if (!stream || sscanf(stream, "%llu:%llu%n", &device, &inode, &end) != 2 || stream[end])
        return;
    /* The variable is inherited; standard error may have been redirected since. */
    if (fstat(STDERR_FILENO, &st) < 0)
        return;
    target.to_journal = st.st_dev == (dev_t) device && st.st_ino == (ino_t) inode;
}

void log_set_level(int level) {
    target.max_level = level;
}

int log_get_level(void) {
    return target.max_level;
}

int log_level_from_string(const char *text, int *ret_level) {
    for (size_t i = 0; i < ELEMENTSOF(levels); i++)
        if (strcmp(levels[i].name, text) == 0) {
            *ret_level = levels[i].level;
            return 0;
        }
    return -EINVAL;
}

const char *log_level_to_string(int level) {
    for (size_t i = 0; i < ELEMENTSOF(levels); i++)
        if (levels[i].level == level)
            return levels[i].name;
    return level < LOG_ERR ? "err" : "debug";
}

/* "level: text name=value …", in one write, so that lines of several processes do not mix. */
static void log_to_stderr(int level, const struct log_field *fields, const char *text) {
    _cleanup_(buf_done) struct buf line = BUF_MAX(64 * 1024);

    (void) buf_printf(&line, "%s: ", log_level_to_string(level));
    (void) buf_append_string(&line, text);
    for (const struct log_field *f = fields; f && f->name; f++) {
        const char *name = strncmp(f->name, "PGHERALD_", 9) == 0 ? f->name + 9 : f->name;

        if (!f->value)
            continue;
        (void) buf_append_char(&line, ' ');
        for (const char *c = name; *c; c++)
            (void) buf_append_char(&line, *c >= 'A' && *c <= 'Z' ? (char) (*c + 'a' - 'A') : *c);
        (void) buf_append_char(&line, '=');
        (void) text_append_printable(&line, f->value, LOG_VALUE_BYTES_MAX);
    }
    (void) buf_append_char(&line, '\n');
    if (buf_error(&line) < 0) { /* parts of it would be taken for another line */
        (void) dprintf(STDERR_FILENO, "%s: %s\n", log_level_to_string(level), text);
        return;
    }

    /* Nobody is left to be told that standard error is closed. */
    if (write(STDERR_FILENO, buf_string(&line), line.size) < 0)
        return;
}

static int log_to_journal(enum log_event event, int level, const struct log_field *fields, const char *text) {
    _cleanup_(buf_done) struct buf records = BUF_MAX(128 * 1024);
    struct iovec iov[LOG_FIELDS_MAX + 3];
    size_t ends[LOG_FIELDS_MAX + 3];
    size_t count = 0;

    (void) buf_printf(&records, "MESSAGE=%s", text);
    ends[count++] = records.size;
    (void) buf_printf(&records, "PRIORITY=%d", level);
    ends[count++] = records.size;
    if (message_ids[event]) {
        (void) buf_printf(&records, "MESSAGE_ID=%s", message_ids[event]);
        ends[count++] = records.size;
    }
    for (const struct log_field *f = fields; f && f->name && count < ELEMENTSOF(ends); f++) {
        if (!f->value)
            continue;
        (void) buf_printf(&records, "%s=", f->name);
        (void) text_append_printable(&records, f->value, LOG_VALUE_BYTES_MAX);
        ends[count++] = records.size;
    }
    if (buf_error(&records) < 0)
        return buf_error(&records);

    for (size_t i = 0; i < count; i++) {
        size_t begin = i > 0 ? ends[i - 1] : 0;

        iov[i] = (struct iovec) {.iov_base = records.data + begin, .iov_len = ends[i] - begin};
    }
    return sd_journal_sendv(iov, (int) count);
}

void log_event(enum log_event event, int level, const struct log_field *fields, const char *format, ...) {
    _cleanup_(buf_done) struct buf raw = BUF_MAX(64 * 1024);
    _cleanup_(buf_done) struct buf text = BUF_MAX(LOG_RECORD_BYTES_MAX);
    int saved_errno = errno;
    va_list args;

    if (level > target.max_level)
        return;
    va_start(args, format);
    (void) buf_vprintf(&raw, format, args);
    va_end(args);
    /* Without memory, or far too long: the format itself is ours, and says at least which line it was. */
    (void) text_append_printable(&text, buf_error(&raw) < 0 ? format : buf_string(&raw), LOG_TEXT_BYTES_MAX);

    if (!target.to_journal || log_to_journal(event, level, fields, buf_string(&text)) < 0)
        log_to_stderr(level, fields, buf_string(&text));
    errno = saved_errno;
}
