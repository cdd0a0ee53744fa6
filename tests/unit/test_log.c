/* link: -Wl,--wrap=sd_journal_sendv */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"

/* What the journal was given, a field a line. */
static char journal[16 * 1024];
static int journal_calls;
static int journal_answer;

int __wrap_sd_journal_sendv(const struct iovec *iov, int count);

int __wrap_sd_journal_sendv(const struct iovec *iov, int count) {
    size_t used = 0;

    for (int i = 0; i < count; i++) {
        assert_true(used + iov[i].iov_len + 2 < sizeof(journal));
        memcpy(journal + used, iov[i].iov_base, iov[i].iov_len);
        used += iov[i].iov_len;
        journal[used++] = '\n';
    }
    journal[used] = '\0';
    journal_calls++;
    return journal_answer;
}

static const struct log_field fields[] = {
    {"PGHERALD_SENDER", "main"},
    {"PGHERALD_REASON", "two\nlines\x1b[31m"},
    {"PGHERALD_NOTHING", NULL},
    {"ERRNO", "5"},
    {NULL, NULL},
};

/* Standard error, as a pipe, while a test runs. */
struct capture {
    int saved;
    int read_end;
    char text[32 * 1024];
};

static struct capture capture;

static int capture_begin(void **state) {
    int ends[2];

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return -1;
    capture.saved = dup(STDERR_FILENO);
    capture.read_end = ends[0];
    (void) dup2(ends[1], STDERR_FILENO);
    (void) close(ends[1]);
    journal_calls = 0;
    journal_answer = 0;
    return 0;
}

static int capture_end(void **state) {
    (void) dup2(capture.saved, STDERR_FILENO);
    (void) close(capture.saved);
    (void) close(capture.read_end);
    (void) unsetenv("JOURNAL_STREAM");
    log_open();
    log_set_level(LOG_INFO);
    return 0;
}

static const char *captured(void) {
    ssize_t n = read(capture.read_end, capture.text, sizeof(capture.text) - 1);

    capture.text[n > 0 ? n : 0] = '\0';
    return capture.text;
}

/* Says that standard error is the journal, as systemd does; shift makes it a lie. */
static void pretend_journal(ino_t shift) {
    struct stat st;
    char stream[64];

    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    (void) snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long) st.st_dev,
                    (unsigned long long) (st.st_ino + shift));
    assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
    log_open();
}

static void test_plain_line(void **state) {
    log_event(LOG_EVENT_SENDER_HELD, LOG_WARNING, fields, "Sender %s is held", "main");
    assert_string_equal(captured(), "warning: Sender main is held sender=main reason=two\\x0alines\\x1b[31m errno=5\n");
    log_info("a line\n<2>FORGED");
    assert_string_equal(captured(), "info: a line\\x0a<2>FORGED\n");
    assert_int_equal(journal_calls, 0);
}

static void test_level(void **state) {
    log_debug("unseen");
    assert_string_equal(captured(), "");
    log_set_level(LOG_DEBUG);
    assert_int_equal(log_get_level(), LOG_DEBUG);
    log_debug("seen");
    assert_string_equal(captured(), "debug: seen\n");
    log_set_level(LOG_ERR);
    log_warning("unseen");
    log_error("seen");
    assert_string_equal(captured(), "err: seen\n");
}

static void test_level_names(void **state) {
    static const char *const names[] = {"debug", "info", "notice", "warning", "err"};
    int level;

    for (size_t i = 0; i < ELEMENTSOF(names); i++) {
        assert_int_equal(log_level_from_string(names[i], &level), 0);
        assert_int_equal(level, LOG_DEBUG - (int) i);
        assert_string_equal(log_level_to_string(level), names[i]);
    }
    assert_int_equal(log_level_from_string("error", &level), -EINVAL);
    assert_int_equal(log_level_from_string("", &level), -EINVAL);
}

static void test_journal_entry(void **state) {
    pretend_journal(0);
    errno = ENOENT;
    log_event(LOG_EVENT_SENDER_HELD, LOG_WARNING, fields, "Sender %s is held\nPRIORITY=0", "main");
    assert_int_equal(errno, ENOENT);
    assert_int_equal(journal_calls, 1);
    assert_string_equal(captured(), "");
    assert_ptr_equal(strstr(journal, "MESSAGE=Sender main is held\\x0aPRIORITY=0\nPRIORITY=4\nMESSAGE_ID="), journal);
    assert_non_null(strstr(journal, "\nPGHERALD_SENDER=main\nPGHERALD_REASON=two\\x0alines\\x1b[31m\nERRNO=5\n"));
    assert_null(strstr(journal, "NOTHING"));

    log_info("plain");
    assert_string_equal(journal, "MESSAGE=plain\nPRIORITY=6\n");
}

static void test_journal_gone(void **state) {
    pretend_journal(0);
    journal_answer = -ECONNREFUSED;
    log_info("not lost");
    assert_int_equal(journal_calls, 1);
    assert_string_equal(captured(), "info: not lost\n");
}

static void test_stream_is_somebody_elses(void **state) {
    static const char *const streams[] = {"", "1", "1:", ":1", "x:y", "1:1x"};

    pretend_journal(1);
    log_info("here");
    assert_string_equal(captured(), "info: here\n");
    for (size_t i = 0; i < ELEMENTSOF(streams); i++) {
        assert_int_equal(setenv("JOURNAL_STREAM", streams[i], 1), 0);
        log_open();
        log_info("here");
        assert_string_equal(captured(), "info: here\n");
    }
    assert_int_equal(journal_calls, 0);
}

static void test_bounds(void **state) {
    static char huge[200 * 1024];
    const struct log_field many[] = {{"PGHERALD_A", huge}, {"PGHERALD_B", huge}, {NULL, NULL}};

    memset(huge, '\n', sizeof(huge) - 1);
    log_event(LOG_EVENT_ATTEMPT, LOG_INFO, many, "%.8000s", huge);
    assert_in_range(strlen(captured()), 4096, 4096 + 2 * 1024 + 64);
    log_event(LOG_EVENT_ATTEMPT, LOG_INFO, NULL, "far too long: %s", huge);
    assert_string_equal(captured(), "info: far too long: %s\n");
}

static void test_every_event_has_an_id(void **state) {
    char seen[LOG_EVENT_COUNT][33];

    pretend_journal(0);
    for (int event = LOG_EVENT_NONE + 1; event < LOG_EVENT_COUNT; event++) {
        const char *id;

        log_event((enum log_event) event, LOG_INFO, NULL, "x");
        id = strstr(journal, "MESSAGE_ID=");
        assert_non_null(id);
        id += strlen("MESSAGE_ID=");
        assert_int_equal(strspn(id, "0123456789abcdef"), 32);
        memcpy(seen[event], id, 32);
        seen[event][32] = '\0';
        for (int other = LOG_EVENT_NONE + 1; other < event; other++)
            assert_string_not_equal(seen[other], seen[event]);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, capture_begin, capture_end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_plain_line),       TEST(test_level),
        TEST(test_level_names),      TEST(test_journal_entry),
        TEST(test_journal_gone),     TEST(test_stream_is_somebody_elses),
        TEST(test_bounds),           TEST(test_every_event_has_an_id),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
