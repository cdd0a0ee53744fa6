/* The conversation about a mail, without a server: what is said after which words, and when it counts as handed over. */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "io/exchange.h"
#include "io/mail.h"

#define CONTENT "Subject: x\r\n\r\n.\r\n..a\r\nb\r\n"

struct fixture {
    struct request request;
    struct exchange exchange;
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));

    request_init(&f->request);
    (void) buf_append_string(&f->request.url, "smtp://mail.test:587");
    (void) buf_append_string(&f->request.envelope.from, "a@b");
    (void) buf_append_string(&f->request.envelope.to, "c@d");
    (void) buf_append_string(&f->request.body, CONTENT);
    exchange_init(&f->exchange);
    assert_int_equal(exchange_begin(&f->exchange, &f->request, USEC_PER_SEC), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;

    request_done(&f->request);
    exchange_done(&f->exchange);
    free(f);
    return 0;
}

static struct mail *talking(struct fixture *f) {
    struct exchange *e = &f->exchange;

    assert_int_equal(mail_begin(&e->mail, &e->envelope, &e->body, 0), 0);
    return &e->mail;
}

/* What is to be said, all of which is then said. */
static const char *said(struct mail *m) {
    static char text[4096];
    const char *words;
    size_t size = mail_words(m, &words);

    assert_true(size < sizeof(text));
    memcpy(text, words, size);
    text[size] = '\0';
    mail_said(m, size);
    return text;
}

static void hear(struct mail *m, const char *text) {
    mail_hear(m, text, strlen(text));
}

static struct reply end(struct fixture *f, enum exchange_end how) {
    struct exchange_result result = {.end = how, .detail = "the connection ended"};
    struct reply reply;

    exchange_describe(&f->exchange, &result, &reply);
    return reply;
}

static void up_to_content(struct mail *m) {
    assert_string_equal(said(m), "MAIL FROM:<a@b>\r\n");
    hear(m, "250 ok\r\n");
    assert_string_equal(said(m), "RCPT TO:<c@d>\r\n");
    hear(m, "250-more\r\n25");
    assert_string_equal(said(m), "");
    hear(m, "1 will forward\r\n");
    assert_string_equal(said(m), "DATA\r\n");
    hear(m, "354 go\n");
}

static void test_a_whole_mail(void **state) {
    struct fixture *f = *state;
    struct mail *m = talking(f);

    up_to_content(m);
    assert_string_equal(said(m), "Date: Thu, 1 Jan 1970 00:00:00 +0000\r\nSubject: x\r\n\r\n..\r\n...a\r\nb\r\n.\r\n");
    assert_int_equal(m->stage, MAIL_END);
    hear(m, "250-2.0.0 one\r\n250 two\r\nand more that nobody hears\r\n");
    assert_true(m->is_over);
    struct reply reply = end(f, EXCHANGE_TALK);
    assert_int_equal(reply.kind, REPLY_COMPLETE);
    assert_int_equal(reply.stage, MAIL_END);
    assert_int_equal(reply.status, 250);
    assert_string_equal(reply.body, "250-2.0.0 one\n250 two");
}

/* The last byte decides. */
static void test_handed_over(void **state) {
    struct fixture *f = *state;
    struct mail *m = talking(f);
    const char *words;
    size_t size;

    assert_int_equal(end(f, EXCHANGE_TALK).kind, REPLY_UNSENT);
    up_to_content(m);
    size = mail_words(m, &words);
    mail_said(m, size - 1);
    struct reply reply = end(f, EXCHANGE_TALK);
    assert_int_equal(reply.kind, REPLY_UNSENT);
    assert_string_equal(reply.reason, "mail.test:587: the connection ended");
    assert_int_equal(end(f, EXCHANGE_EXPIRED).kind, REPLY_UNSENT);
    assert_int_equal(mail_words(m, &words), 1);
    mail_said(m, 1);
    reply = end(f, EXCHANGE_TALK);
    assert_int_equal(reply.kind, REPLY_UNKNOWN);
    assert_string_equal(reply.reason, "mail.test:587: after the request was sent: the connection ended");
    assert_int_equal(end(f, EXCHANGE_EXPIRED).kind, REPLY_UNKNOWN);
    hear(m, "25");
    assert_int_equal(end(f, EXCHANGE_TALK).kind, REPLY_UNKNOWN);
    hear(m, "0 ok\r\n");
    assert_int_equal(end(f, EXCHANGE_TALK).kind, REPLY_COMPLETE);
}

static void test_garbage_is_no_answer(void **state) {
    static const char *const bad[] = {"hello\r\n", "2\r\n", "25\r\n", "\r\n", "2500 x\r\n", "650 x\r\n", "050 x\r\n", "25x ok\r\n", "250_ok\r\n"};
    struct fixture *f = *state;

    for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
        assert_int_equal(exchange_begin(&f->exchange, &f->request, USEC_PER_SEC), 0);
        struct mail *m = talking(f);

        (void) said(m);
        hear(m, bad[i]);
        assert_true(m->is_over);
        assert_int_equal(end(f, EXCHANGE_TALK).kind, REPLY_UNSENT);
        assert_int_equal(exchange_begin(&f->exchange, &f->request, USEC_PER_SEC), 0);
        m = talking(f);
        up_to_content(m);
        (void) said(m);
        hear(m, bad[i]);
        assert_int_equal(end(f, EXCHANGE_TALK).kind, REPLY_UNKNOWN);
    }
}

static void test_words_out_of_turn(void **state) {
    struct fixture *f = *state;
    struct mail *m = talking(f);

    (void) said(m);
    hear(m, "250 ok\r\n250 ok\r\n");
    assert_true(m->is_over);
    assert_int_equal(end(f, EXCHANGE_TALK).kind, REPLY_UNSENT);
    assert_non_null(strstr(end(f, EXCHANGE_TALK).reason, "before all was said"));

    assert_int_equal(exchange_begin(&f->exchange, &f->request, USEC_PER_SEC), 0);
    m = talking(f);
    up_to_content(m);
    mail_said(m, 5);
    hear(m, "552 too big\r\n");
    assert_true(m->is_over);
    struct reply reply = end(f, EXCHANGE_TALK);
    assert_int_equal(reply.kind, REPLY_COMPLETE);
    assert_int_equal(reply.stage, MAIL_DATA);
    assert_int_equal(reply.status, 552);
}

/* Until the log-in is done libcurl speaks, and we only hear. */
static void test_login(void **state) {
    struct fixture *f = *state;
    struct mail *m = &f->exchange.mail;

    hear(m, "220 hi\r\n250-x\r\n250 AUTH\r\n334 \r\n");
    assert_false(m->is_over);
    assert_int_equal(end(f, EXCHANGE_FAILED).kind, REPLY_UNSENT);
    hear(m, "535 5.7.8 no\r\n");
    struct reply reply = end(f, EXCHANGE_FAILED);
    assert_int_equal(reply.kind, REPLY_COMPLETE);
    assert_int_equal(reply.stage, MAIL_LOGIN);
    assert_int_equal(reply.status, 535);
    assert_string_equal(reply.body, "535 5.7.8 no");
    assert_int_equal(end(f, EXCHANGE_EXPIRED).kind, REPLY_UNSENT);
}

static void test_long_replies(void **state) {
    struct fixture *f = *state;
    struct mail *m = talking(f);
    static char lengthy[100 * 1000 + 1];

    memset(lengthy, 'x', sizeof(lengthy) - 1);
    (void) said(m);
    hear(m, "550-");
    hear(m, lengthy);
    hear(m, "\r\n550 end\r\n");
    assert_int_equal(m->code, 550);
    assert_true(m->text.size <= 4096);

    assert_int_equal(exchange_begin(&f->exchange, &f->request, USEC_PER_SEC), 0);
    m = talking(f);
    (void) said(m);
    for (int i = 0; i < 1001 && !m->is_over; i++)
        hear(m, "250-x\r\n");
    assert_true(m->is_over);
    assert_int_equal(end(f, EXCHANGE_TALK).kind, REPLY_UNSENT);
}

static void set(struct buf *b, const char *bytes, size_t size) {
    buf_clear(b);
    assert_int_equal(buf_append(b, bytes, size), 0);
}

static void test_what_is_not_fit(void **state) {
    static const char *const addresses[] = {"", "a b@c", "a@b>", "<a@b", "a@b\r\n", "a@b\nRCPT TO:<x@y>", "ä@b"};
    static const char *const contents[] = {"", "x", "x\n", "x\r", "\nx\r\n", "x\ry\r\n", "x\n.\r\n", "x\r\n.\n\r\n", "x\r\r\n"};
    struct fixture *f = *state;

    for (size_t i = 0; i < ELEMENTSOF(addresses); i++) {
        set(&f->request.envelope.to, addresses[i], strlen(addresses[i]));
        assert_int_equal(exchange_begin(&f->exchange, &f->request, USEC_PER_SEC), -EINVAL);
    }
    set(&f->request.envelope.to, "a@b\0c", 5);
    assert_int_equal(exchange_begin(&f->exchange, &f->request, USEC_PER_SEC), -EINVAL);
    set(&f->request.envelope.to, "a@b", 3);
    for (size_t i = 0; i < ELEMENTSOF(contents); i++) {
        set(&f->request.body, contents[i], strlen(contents[i]));
        assert_int_equal(exchange_begin(&f->exchange, &f->request, USEC_PER_SEC), -EINVAL);
    }
    set(&f->request.body, "a\0b\r\n", 5);
    assert_int_equal(exchange_begin(&f->exchange, &f->request, USEC_PER_SEC), -EINVAL);
    set(&f->request.body, "a\r\n", 3);
    assert_int_equal(exchange_begin(&f->exchange, &f->request, USEC_PER_SEC), 0);
}

static void test_dates(void **state) {
    static const struct {
        uint64_t sec;
        const char *text;
    } dates[] = {{0, "Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n"}, {1709210096, "Date: Thu, 29 Feb 2024 12:34:56 +0000\r\n"},
                 {1798761599, "Date: Thu, 31 Dec 2026 23:59:59 +0000\r\n"}};

    for (size_t i = 0; i < ELEMENTSOF(dates); i++) {
        _cleanup_(buf_done) struct buf b = BUF_MAX(64);

        assert_int_equal(mail_write_date(&b, dates[i].sec * USEC_PER_SEC), 0);
        assert_string_equal(buf_string(&b), dates[i].text);
    }
}

static void test_security(void **state) {
    assert_int_equal(mail_security(ADDRESS_PUBLIC, false), MAIL_SECURE);
    assert_int_equal(mail_security(ADDRESS_PRIVATE, false), MAIL_SECURE_IF_OFFERED);
    assert_int_equal(mail_security(ADDRESS_LOOPBACK, false), MAIL_PLAIN);
    assert_int_equal(mail_security(ADDRESS_PUBLIC, true), MAIL_SECURE);
    assert_int_equal(mail_security(ADDRESS_PRIVATE, true), MAIL_SECURE);
    assert_int_equal(mail_security(ADDRESS_LOOPBACK, true), MAIL_SECURE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_whole_mail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_handed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_garbage_is_no_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_words_out_of_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_login, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_replies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_not_fit, set_up, tear_down),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_security),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
