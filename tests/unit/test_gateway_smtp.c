/* Email: the mail as text, and one test for each row of what a server's replies mean. */
#include "gateway_fixture.h"

#include <errno.h>

#include "gateway/mime.h"
#include "gateway/smtp_table.h"
#include "gateway/target.h"

#define BASE "smtp://127.0.0.1:587"
#define ACCOUNT "{\"from\":\"alerts@example.org\",\"user\":\"u\"}"
#define ADA "ada@example.org"
#define PAGE "HTTP/1.1 400 Bad Request"

struct smtp_row {
    enum mail_stage stage;
    int status;
    const char *words;
    enum outcome_kind kind;
    enum outcome_scope scope;
    int64_t wait_sec;
    const char *reason_holds;
};

#define HELD(seconds) WAITS(SENDER, seconds)

static const struct smtp_row rows[] = {
    {MAIL_END, 250, "2.0.0 queued", ACCEPTED, NULL},
    {MAIL_END, 200, "", ACCEPTED, NULL},
    {MAIL_LOGIN, 421, "busy", HELD(WAIT_BY_BACKOFF), "too busy (SMTP 421): busy"},
    {MAIL_LOGIN, 530, "5.7.0", HELD(60), "wants a log-in"},
    {MAIL_LOGIN, 535, "5.7.8", HELD(60), "renew the credential"},
    {MAIL_LOGIN, 454, "4.7.0", HELD(WAIT_BY_BACKOFF), "can't check the log-in"},
    {MAIL_LOGIN, 534, "5.7.9", HELD(60), "another way"},
    {MAIL_LOGIN, 538, "", HELD(60), "account.starttls"},
    {MAIL_LOGIN, 450, "", HELD(WAIT_BY_BACKOFF), "takes nothing for now"},
    {MAIL_LOGIN, 554, "go away", HELD(600), "refused us; check base_url (SMTP 554): go away"},
    {MAIL_LOGIN, 220, "", HELD(WAIT_BY_BACKOFF), "out of turn"},
    {MAIL_FROM, 421, "", HELD(WAIT_BY_BACKOFF), "closing"},
    {MAIL_FROM, 530, "", HELD(60), "log-in"},
    {MAIL_FROM, 535, "", HELD(60), "refused"},
    {MAIL_FROM, 452, "4.3.1", HELD(WAIT_BY_BACKOFF), "no room"},
    {MAIL_FROM, 500, "", HELD(600), "does not understand"},
    {MAIL_FROM, 502, "", HELD(600), "does not understand"},
    {MAIL_FROM, 503, "", HELD(600), "does not understand"},
    {MAIL_FROM, 504, "", HELD(600), "does not understand"},
    {MAIL_FROM, 554, "5.3.4 size", REJECTED, "too large"},
    {MAIL_FROM, 552, "", REJECTED, "too large"},
    {MAIL_FROM, 451, "", HELD(WAIT_BY_BACKOFF), "account.from for now"},
    {MAIL_FROM, 550, "5.1.1 no such user", HELD(600), "account.from; correct it"},
    {MAIL_FROM, 354, "", HELD(WAIT_BY_BACKOFF), "out of turn"},
    {MAIL_TO, 421, "", HELD(WAIT_BY_BACKOFF), "closing"},
    {MAIL_TO, 530, "", HELD(60), "log-in"},
    {MAIL_TO, 535, "", HELD(60), "refused"},
    {MAIL_TO, 500, "", HELD(600), "does not understand"},
    {MAIL_TO, 452, "4.2.2 full", WAITS(RECIPIENT, 3600), "mailbox is full"},
    {MAIL_TO, 450, "4.2.2 full", WAITS(RECIPIENT, 3600), "mailbox is full"},
    {MAIL_TO, 452, "4.5.3 too many", AGAIN, "too many recipients"},
    {MAIL_TO, 452, "4.3.1 disk", HELD(WAIT_BY_BACKOFF), "no room"},
    {MAIL_TO, 450, "4.2.1", WAITS(MESSAGE, 300), "for now"},
    {MAIL_TO, 451, "4.7.1 Greylisted", WAITS(MESSAGE, 300), "for now"},
    {MAIL_TO, 554, "5.7.1 Relay access denied", HELD(600), "passes nothing on"},
    {MAIL_TO, 550, "relaying denied", HELD(600), "passes nothing on"},
    {MAIL_TO, 550, "5.2.2", REJECTED, "mailbox is full"},
    {MAIL_TO, 550, "5.2.1", REJECTED, "switched off"},
    {MAIL_TO, 550, "5.7.1", REJECTED, "does not want mail from us"},
    {MAIL_TO, 554, "5.7.606", REJECTED, "does not want mail from us"},
    {MAIL_TO, 552, "", REJECTED, "mailbox is full"},
    {MAIL_TO, 554, "", REJECTED, "refused the recipient"},
    {MAIL_TO, 550, "5.1.1 no such user", REJECTED, "there is no such mailbox (SMTP 550): 5.1.1 no such user"},
    {MAIL_TO, 550, "", REJECTED, "no such mailbox"},
    {MAIL_TO, 551, "", REJECTED, "no such mailbox"},
    {MAIL_TO, 553, "", REJECTED, "no such mailbox"},
    {MAIL_TO, 354, "", HELD(WAIT_BY_BACKOFF), "out of turn"},
    {MAIL_DATA, 421, "", HELD(WAIT_BY_BACKOFF), "closing"},
    {MAIL_DATA, 530, "", HELD(60), "log-in"},
    {MAIL_DATA, 452, "", HELD(WAIT_BY_BACKOFF), "no room"},
    {MAIL_DATA, 503, "", HELD(600), "does not understand"},
    {MAIL_DATA, 451, "", AGAIN, "for now"},
    {MAIL_DATA, 552, "", REJECTED, "too large"},
    {MAIL_DATA, 554, "", REJECTED, "before it was sent"},
    {MAIL_DATA, 250, "", HELD(WAIT_BY_BACKOFF), "out of turn"},
    {MAIL_END, 421, "", HELD(WAIT_BY_BACKOFF), "closing"},
    {MAIL_END, 530, "", HELD(60), "log-in"},
    {MAIL_END, 452, "", HELD(WAIT_BY_BACKOFF), "no room"},
    {MAIL_END, 451, "4.7.1 greylisted", WAITS(MESSAGE, 300), "again later"},
    {MAIL_END, 450, "4.2.2", WAITS(RECIPIENT, 3600), "mailbox is full"},
    {MAIL_END, 451, "4.3.0", AGAIN, "for now"},
    {MAIL_END, 550, "5.1.1", REJECTED, "no such mailbox"},
    {MAIL_END, 554, "5.2.2", REJECTED, "mailbox is full"},
    {MAIL_END, 554, "5.3.4", REJECTED, "too large"},
    {MAIL_END, 552, "", REJECTED, "too large"},
    {MAIL_END, 554, "5.7.1 spam", REJECTED, "read the mail and refused it"},
    {MAIL_END, 354, "", IN_DOUBT, "neither yes nor no"},
    {MAIL_END, 150, "", IN_DOUBT, "neither yes nor no"},
};

static struct reply mail_reply(enum mail_stage stage, int status, const char *text) {
    struct reply reply = reply_of(status, text);

    reply.stage = stage;
    return reply;
}

static struct sender sender_of(const struct json *doc) {
    return (struct sender) {.name = "m", .base_url = BASE, .account = json_root(doc), .secret = SECRET};
}

static void test_replies(void **state) {
    _cleanup_(json_freep) struct json *doc = parsed(ACCOUNT);
    struct sender sender = sender_of(doc);
    struct message message = message_to(ADA, BODY);

    message.is_group = false;
    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        char text[256];
        struct outcome o;

        (void) snprintf(text, sizeof(text), "%d %s", rows[i].status, rows[i].words);
        struct reply reply = mail_reply(rows[i].stage, rows[i].status, text);
        gateway_outcome(&gateway_smtp, &sender, &message, &reply, &o);
        assert_outcome(&o, rows[i].kind, rows[i].scope, rows[i].wait_sec, rows[i].reason_holds);
        assert_int_equal(o.status, rows[i].status);
        if (rows[i].kind == OUTCOME_ACCEPTED)
            assert_non_null(strstr(o.message_id, "<12.34."));
    }
}

/* Whatever a server says, where and with what code: an outcome that is fit, accepted by a yes to the end alone. */
static void test_hostile_replies(void **state) {
    static char many[300 * 1000 + 1];
    static const char *const texts[] = {
        "", "250", "550", "550 ", "550-a\n550-b\n550 c", "\n\n\n", "550 \xff\xfe", "550 a\x01\x1b[31m\x7f", "550 <" ADA "> " SECRET " " BODY,
        "550 9.9.9 x", "550 5.1", "550 5.1111.1 x", "550 .1.1 x", "550 5.1.1", "550 99999999999999999999.1.1", "5", "@@@ @ @", many,
    };
    _cleanup_(json_freep) struct json *doc = parsed(ACCOUNT);
    struct sender sender = sender_of(doc);
    struct message message = message_to(ADA, BODY);

    memset(many, '@', sizeof(many) - 1);
    for (size_t i = 0; i < ELEMENTSOF(texts); i++)
        for (int stage = MAIL_LOGIN; stage <= MAIL_END; stage++)
            for (int status = -1; status < 1000; status += 7) {
                struct reply reply = mail_reply((enum mail_stage) stage, status, texts[i]);
                struct outcome o;

                memset(&o, 0xa5, sizeof(o));
                gateway_outcome(&gateway_smtp, &sender, &message, &reply, &o);
                assert_fit(&o);
                assert_null(strstr(o.reason, ADA));
                assert_int_equal(o.kind == OUTCOME_ACCEPTED, stage == MAIL_END && status / 100 == 2);
                assert_true(o.kind != OUTCOME_IN_DOUBT || stage == MAIL_END);
            }
    struct reply none = {.kind = REPLY_COMPLETE, .stage = MAIL_END, .status = 550};
    struct outcome o;
    gateway_outcome(&gateway_smtp, &sender, &message, &none, &o);
    assert_outcome(&o, REJECTED, "refused it");
}

static void test_addresses_are_hidden(void **state) {
    _cleanup_(json_freep) struct json *doc = parsed(ACCOUNT);
    struct sender sender = sender_of(doc);
    struct message message = message_to(ADA, BODY);
    struct reply reply = mail_reply(MAIL_TO, 550, "550-5.1.1 <ADA@Example.Org>: unknown\n550 5.1.1 ask (bob@example.org) or +8801712345678");
    struct outcome o;

    gateway_outcome(&gateway_smtp, &sender, &message, &reply, &o);
    assert_outcome(&o, REJECTED, "(SMTP 550): 5.1.1 […] unknown 5.1.1 ask […] or +…78");
}

static void test_enhanced_codes(void **state) {
    assert_int_equal(smtp_enhanced_code("550 5.1.1 x"), 5001001);
    assert_int_equal(smtp_enhanced_code("550-5.7.999\n550 5.1.1"), 5007999);
    assert_int_equal(smtp_enhanced_code("250 2.0.0"), 2000000);
    assert_int_equal(smtp_enhanced_code("550 no 5.1.1"), OUTCOME_CODE_NONE);
    assert_int_equal(smtp_enhanced_code("550"), OUTCOME_CODE_NONE);
    assert_int_equal(smtp_enhanced_code(""), OUTCOME_CODE_NONE);
    assert_int_equal(smtp_enhanced_code("550 9.1.1"), OUTCOME_CODE_NONE);
    assert_int_equal(smtp_enhanced_code("550 5.1234.1"), OUTCOME_CODE_NONE);
}

static int request_for(const char *base_url, const char *account, const char *secret, const struct message *message,
                       struct request *request, struct outcome *outcome) {
    _cleanup_(json_freep) struct json *doc = parsed(account);
    struct sender sender = {.name = "m", .base_url = base_url, .account = json_root(doc), .secret = secret};

    memset(outcome, 0, sizeof(*outcome));
    request_init(request);
    return gateway_smtp.request(&sender, message, request, outcome);
}

static void test_request(void **state) {
    struct message message = message_to(ADA, "Hi\nyou = 50%");
    struct request request;
    struct outcome o;

    message.is_group = false;
    assert_int_equal(request_for(BASE, ACCOUNT, SECRET, &message, &request, &o), 1);
    assert_string_equal(buf_string(&request.url), BASE);
    assert_string_equal(buf_string(&request.envelope.from), "alerts@example.org");
    assert_string_equal(buf_string(&request.envelope.to), ADA);
    assert_string_equal(buf_string(&request.envelope.user), "u");
    assert_string_equal(buf_string(&request.envelope.password), SECRET);
    assert_false(request.envelope.needs_tls);
    assert_int_equal(request.header_count, 0);
    assert_non_null(strstr(buf_string(&request.body), "From: alerts@example.org\r\nTo: " ADA "\r\nSubject: Hi\r\nMessage-ID: <12.34."));
    assert_non_null(strstr(buf_string(&request.body), "\r\n\r\nHi\r\nyou =3D 50%\r\n"));
    request_done(&request);
    assert_int_equal(request_for("smtps://x", "{\"from\":\"a@b\",\"starttls\":true,\"subject\":\"S\"}", NULL, &message, &request, &o), 1);
    assert_true(request.envelope.needs_tls);
    assert_int_equal(request.envelope.user.size, 0);
    assert_non_null(strstr(buf_string(&request.body), "Subject: S\r\n"));
    request_done(&request);
}

/* The same message has the same id; another text, or another recipient, another one. */
static void test_message_ids(void **state) {
    _cleanup_(json_freep) struct json *doc = parsed(ACCOUNT);
    struct sender sender = sender_of(doc);
    const struct message messages[] = {message_to(ADA, "one"), message_to(ADA, "one"), message_to(ADA, "two"), message_to("b@c.d", "one")};
    struct outcome o[ELEMENTSOF(messages)];

    for (size_t i = 0; i < ELEMENTSOF(messages); i++) {
        struct reply reply = mail_reply(MAIL_END, 250, "250 ok");

        gateway_outcome(&gateway_smtp, &sender, &messages[i], &reply, &o[i]);
    }
    assert_string_equal(o[0].message_id, o[1].message_id);
    assert_string_not_equal(o[0].message_id, o[2].message_id);
    assert_string_not_equal(o[0].message_id, o[3].message_id);
}

static void assert_refused(const char *target, const char *body, bool is_group, const char *reason_holds) {
    struct message message = message_to(target, body);
    struct request request;
    struct outcome o;

    message.is_group = is_group;
    assert_int_equal(request_for(BASE, ACCOUNT, SECRET, &message, &request, &o), 0);
    assert_outcome(&o, REJECTED, reason_holds);
    request_done(&request);
}

static void test_refused(void **state) {
    static char body[300 * 1024];

    assert_refused(ADA, "x", true, "no groups");
    assert_refused(NUMBER, "x", false, "not an email address");
    assert_refused("ada@example.org\r\nBcc: x@y", "x", false, "not an email address");
    assert_refused("a@b,c@d", "x", false, "not an email address");
    assert_refused(ADA, " \n", false, "empty");
    memset(body, 'x', sizeof(body) - 1);
    assert_refused(ADA, body, false, "too large");
}

static void test_emails(void **state) {
    static const char *const good[] = {"a@b", "a.b+c'd@x-y.example.org", "_@x", "1@2"};
    static const char *const bad[] = {"", "@", "a@", "@b", "a", "a@b@c", ".a@b", "a.@b", "a..b@c", "a@-b", "a@b-", "a@b..c", "a@.b", "a@b.", "a b@c",
                                      "a@b c", "<a@b>", "a@b>", "a@b\n", "a\r@b", "\"a\"@b", "ä@b", "a@ä", "a@[1.2.3.4]", "a,b@c", "a;b@c", "a:b@c"};

    for (size_t i = 0; i < ELEMENTSOF(good); i++)
        assert_true(target_is_email(good[i]));
    for (size_t i = 0; i < ELEMENTSOF(bad); i++)
        if (target_is_email(bad[i]))
            fail_msg("taken: %s", bad[i]);
}

static void assert_incomplete(const char *base_url, const char *account, const char *secret, const char *what) {
    _cleanup_(json_freep) struct json *doc = parsed(account);
    struct sender sender = {.name = "m", .base_url = base_url, .account = json_root(doc), .secret = secret};
    _cleanup_(buf_done) struct buf fault = BUF_MAX(4096);
    struct message message = message_to(ADA, BODY);
    struct request request;
    struct outcome o;

    assert_int_equal(gateway_smtp.check(&sender, &fault), -EINVAL);
    if (!strstr(buf_string(&fault), what))
        fail_msg("not \"%s\" in: %s", what, buf_string(&fault));
    assert_int_equal(request_for(base_url, account, secret, &message, &request, &o), 0);
    assert_outcome(&o, WAITS(SENDER, 60), what);
    request_done(&request);
}

static void test_check(void **state) {
    _cleanup_(json_freep) struct json *doc = parsed(ACCOUNT);
    struct sender sender = sender_of(doc);
    _cleanup_(buf_done) struct buf fault = BUF_MAX(4096);

    assert_int_equal(gateway_smtp.check(&sender, &fault), 0);
    assert_string_equal(buf_string(&fault), "");
    assert_incomplete(BASE, "{}", SECRET, "\"from\" is missing");
    assert_incomplete(BASE, "{\"from\":\"Alerts <a@b>\"}", SECRET, "not an email address");
    assert_incomplete(BASE, "{\"from\":\"a@b\\r\\nBcc: c@d\"}", SECRET, "not an email address");
    assert_incomplete(BASE, "{\"from\":\"a@b\",\"user\":\"\"}", SECRET, "not a user's name");
    assert_incomplete(BASE, "{\"from\":\"a@b\",\"user\":\"a\\nb\"}", SECRET, "not a user's name");
    assert_incomplete(BASE, "{\"from\":\"a@b\",\"subject\":\" \"}", NULL, "\"subject\" is empty");
    assert_incomplete(BASE, "{\"from\":\"a@b\",\"starttls\":\"yes\"}", NULL, "neither true nor false");
    assert_incomplete(BASE, ACCOUNT, NULL, "no password");
    assert_incomplete(BASE, "{\"from\":\"a@b\"}", SECRET, "\"user\" is missing");
    assert_incomplete(BASE, ACCOUNT, "a\nb", "control character");
    assert_incomplete("", ACCOUNT, SECRET, "smtps://mail.example.org:465");
    assert_incomplete("http://x", ACCOUNT, SECRET, "doesn't begin with smtp://");
    assert_incomplete("smtp://x/y", ACCOUNT, SECRET, "has a path");
    assert_incomplete("smtp://u:p@x", ACCOUNT, SECRET, "user name");
    assert_incomplete("smtp://x:0", ACCOUNT, SECRET, "can't be read");
    assert_incomplete("smtp://x\r\n", ACCOUNT, SECRET, "control character");
}

static const char *header(const char *text) {
    static struct buf b = BUF_MAX(4096);

    buf_clear(&b);
    assert_int_equal(mime_append_header(&b, "Subject", text), 0);
    return buf_string(&b);
}

static void test_headers(void **state) {
    static char long_text[4 * 200 + 1];

    assert_string_equal(header("plain text"), "Subject: plain text\r\n");
    assert_string_equal(header("a\r\nBcc: x\tb\x7f"), "Subject: a  Bcc: x b \r\n");
    assert_string_equal(header("=?utf-8?q?x?="), "Subject: =?utf-8?B?PT91dGYtOD9xP3g/PQ==?=\r\n");
    assert_string_equal(header("Zähler"), "Subject: =?utf-8?B?WsOkaGxlcg==?=\r\n");
    assert_string_equal(header(""), "Subject: \r\n");
    for (int i = 0; i < 200; i++)
        memcpy(long_text + 4 * i, "🙈", 4);
    const char *folded = header(long_text);
    for (const char *line = folded, *end; *line; line = end + 2) {
        end = strstr(line, "\r\n");
        assert_non_null(end);
        assert_true(end - line <= 76);
    }
    assert_int_equal(strlen(folded) > 120 * 4, 1);
    memset(long_text, 'x', 200);
    long_text[200] = '\0';
    assert_non_null(strstr(header(long_text), "=?utf-8?B?")); /* cut, with an ellipsis */
}

static void test_quoted(void **state) {
    static const char *const pairs[][2] = {
        {"", ""}, {"a", "a\r\n"}, {"a\n", "a\r\n"}, {"a\r\nb\rc\n\nd", "a\r\nb\r\nc\r\n\r\nd\r\n"}, {"a=b", "a=3Db\r\n"},
        {"a \nb\t", "a=20\r\nb=09\r\n"}, {"a b\tc", "a b\tc\r\n"}, {"é\x01\x7f", "=C3=A9=01=7F\r\n"}, {".", ".\r\n"}};
    _cleanup_(buf_done) struct buf b = BUF_MAX(64 * 1024);
    char text[1001];

    for (size_t i = 0; i < ELEMENTSOF(pairs); i++) {
        buf_clear(&b);
        assert_int_equal(mime_append_quoted(&b, pairs[i][0]), 0);
        assert_string_equal(buf_string(&b), pairs[i][1]);
    }
    for (size_t size = 70; size < 90; size++) {
        memset(text, '=', size);
        text[size] = '\0';
        buf_clear(&b);
        assert_int_equal(mime_append_quoted(&b, text), 0);
        for (const char *line = buf_string(&b), *end; *line; line = end + 2) {
            end = strstr(line, "\r\n");
            assert_true(end - line <= 76);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replies), cmocka_unit_test(test_hostile_replies), cmocka_unit_test(test_addresses_are_hidden),
        cmocka_unit_test(test_enhanced_codes), cmocka_unit_test(test_request), cmocka_unit_test(test_message_ids),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_emails), cmocka_unit_test(test_check), cmocka_unit_test(test_headers),
        cmocka_unit_test(test_quoted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
