/* The table form of outcomes, the scrubbing of reasons, targets, URLs, and what is the same for every gateway. */
#include "gateway_fixture.h"

#include <errno.h>

#include "base/base64.h"
#include "gateway/scrub.h"
#include "gateway/target.h"
#include "io/url.h"

static void test_words(void **state) {
    assert_string_equal(outcome_kind_to_string(OUTCOME_ACCEPTED), "accepted");
    assert_string_equal(outcome_kind_to_string(OUTCOME_REJECTED), "rejected");
    assert_string_equal(outcome_kind_to_string(OUTCOME_WAIT), "wait");
    assert_string_equal(outcome_kind_to_string(OUTCOME_IN_DOUBT), "in_doubt");
    assert_string_equal(outcome_scope_to_string(SCOPE_MESSAGE), "message");
    assert_string_equal(outcome_scope_to_string(SCOPE_SENDER), "sender");
    assert_string_equal(outcome_scope_to_string(SCOPE_TEMPLATE), "template");
    assert_string_equal(outcome_scope_to_string(SCOPE_RECIPIENT), "recipient");
}

static const struct outcome_rule table[] = {
    {.status = 400, .code_min = 5, .code_max = 7, .kind = OUTCOME_REJECTED, .meaning = "range"},
    {.code_min = OUTCOME_CODE_ZERO, .code_max = OUTCOME_CODE_ZERO, .kind = OUTCOME_REJECTED, .meaning = "zero"},
    {.status = 404, .holds = "DisConnected", .kind = OUTCOME_WAIT, .scope = SCOPE_SENDER, .wait_sec = 9, .meaning = "holds"},
    {.status = 418, .kind = OUTCOME_WAIT, .scope = SCOPE_TEMPLATE, .wait_sec = WAIT_BY_BACKOFF, .meaning = "status"},
    {.status = 4, .kind = OUTCOME_WAIT, .scope = SCOPE_RECIPIENT, .wait_sec = 30, .meaning = "class"},
    {.kind = OUTCOME_IN_DOUBT, .meaning = "all"},
};

static const char *meaning(int status, int64_t code, const char *body, const char *detail) {
    struct reply reply = reply_of(status, body);

    return outcome_match(table, &reply, code, detail)->meaning;
}

static void test_match(void **state) {
    assert_string_equal(meaning(400, 5, "", NULL), "range");
    assert_string_equal(meaning(400, 7, "", NULL), "range");
    assert_string_equal(meaning(400, 8, "", NULL), "class");
    assert_string_equal(meaning(400, OUTCOME_CODE_NONE, "", NULL), "class");
    assert_string_equal(meaning(400, OUTCOME_CODE_ZERO, "", NULL), "zero");
    assert_string_equal(meaning(200, 0, "", NULL), "all");
    assert_string_equal(meaning(404, OUTCOME_CODE_NONE, "xx disconnectED", NULL), "holds");
    assert_string_equal(meaning(404, OUTCOME_CODE_NONE, "", "is Disconnected."), "holds");
    assert_string_equal(meaning(404, OUTCOME_CODE_NONE, "isconnected", NULL), "class");
    assert_string_equal(meaning(418, OUTCOME_CODE_NONE, "", NULL), "status");
    assert_string_equal(meaning(499, OUTCOME_CODE_NONE, "", NULL), "class");
    assert_string_equal(meaning(500, OUTCOME_CODE_NONE, "", NULL), "all");
    assert_string_equal(meaning(4, OUTCOME_CODE_NONE, "", NULL), "class");
}

static void test_retry_after(void **state) {
    struct reply reply = reply_of(418, "");
    struct outcome o;

    outcome_classify(table, &reply, OUTCOME_CODE_NONE, NULL, &o);
    assert_outcome(&o, WAITS(TEMPLATE, WAIT_BY_BACKOFF), "status (HTTP 418)");
    assert_int_equal(o.status, 418);
    reply.retry_after_sec = 0; /* "at once" would spin */
    outcome_classify(table, &reply, OUTCOME_CODE_NONE, NULL, &o);
    assert_outcome(&o, WAITS(TEMPLATE, WAIT_BY_BACKOFF), NULL);
    reply.retry_after_sec = 7;
    outcome_classify(table, &reply, OUTCOME_CODE_NONE, NULL, &o);
    assert_outcome(&o, WAITS(TEMPLATE, 7), NULL);
    reply.status = 499;
    outcome_classify(table, &reply, OUTCOME_CODE_NONE, NULL, &o);
    assert_outcome(&o, WAITS(RECIPIENT, 30), NULL);
    reply.retry_after_sec = 31;
    outcome_classify(table, &reply, OUTCOME_CODE_NONE, NULL, &o);
    assert_outcome(&o, WAITS(RECIPIENT, 31), NULL);
    reply.status = 500;
    outcome_classify(table, &reply, OUTCOME_CODE_NONE, NULL, &o);
    assert_outcome(&o, IN_DOUBT, NULL);
    assert_int_equal(o.wait_sec, 0);
}

static void test_detail_and_code(void **state) {
    struct reply reply = reply_of(400, "");
    struct outcome o;

    outcome_classify(table, &reply, 5, "O número 8801712345678 não existe.", &o);
    assert_outcome(&o, REJECTED, "range (HTTP 400, code 5): O número …78 não existe.");
    outcome_classify(table, &reply, OUTCOME_CODE_ZERO, "", &o);
    assert_outcome(&o, REJECTED, "zero (HTTP 400, code 0)");
    outcome_classify(table, &reply, INT64_C(8801712345678), "", &o);
    assert_outcome(&o, WAITS(RECIPIENT, 30), "class (HTTP 400)"); /* no code is that long, and numbers are */
}

static void test_reason_is_cut_between_characters(void **state) {
    char text[1500];
    struct outcome o;

    for (int shift = 0; shift < 3; shift++) {
        memset(text, 'x', sizeof(text));
        for (size_t i = (size_t) shift; i + 3 < sizeof(text); i += 3)
            memcpy(text + i, "…", 3);
        text[sizeof(text) - 3 + ((size_t) shift % 3)] = '\0';
        outcome_set(&o, OUTCOME_REJECTED, SCOPE_MESSAGE, 0, 400, "%s", text);
        assert_fit(&o);
        assert_true(strlen(o.reason) > OUTCOME_REASON_BYTES - 5);
    }
}

static void test_accept(void **state) {
    char id[OUTCOME_MESSAGE_ID_BYTES + 1];
    struct outcome o;

    assert_true(outcome_accept(&o, 200, "wamid.1"));
    assert_outcome(&o, ACCEPTED, NULL);
    assert_string_equal(o.message_id, "wamid.1");
    assert_true(outcome_accept(&o, 200, NULL));
    assert_string_equal(o.message_id, "");
    assert_false(outcome_accept(&o, 200, ""));
    assert_false(outcome_accept(&o, 200, "a\nb"));
    assert_false(outcome_accept(&o, 200, "a\xef\xbf\xbd"));
    assert_false(outcome_accept(&o, 200, "a\xff"));
    memset(id, 'i', sizeof(id));
    id[OUTCOME_MESSAGE_ID_BYTES - 1] = '\0';
    assert_true(outcome_accept(&o, 200, id));
    id[OUTCOME_MESSAGE_ID_BYTES - 1] = 'i';
    id[OUTCOME_MESSAGE_ID_BYTES] = '\0';
    assert_false(outcome_accept(&o, 200, id));
}

static const char *scrubbed(const char *text) {
    static char out[512];
    static struct sender sender = {.name = "s", .base_url = "", .secret = SECRET};
    struct message message = message_to(NUMBER, BODY);

    scrub_text(text, strlen(text), &sender, &message, out, sizeof(out));
    return out;
}

static void test_scrub_numbers(void **state) {
    assert_string_equal(scrubbed("to 8801712345678!"), "to …78!");
    assert_string_equal(scrubbed("to +880 1712-345678 x"), "to +…78 x");
    assert_string_equal(scrubbed("to (01712) 345 678."), "to (…78.");
    assert_string_equal(scrubbed("8801712 345678"), "…78");
    assert_string_equal(scrubbed("other 9991234567"), "other …67");
    assert_string_equal(scrubbed("1234567"), "…67");
    assert_string_equal(scrubbed("code 131026, 123456 at 10:20:30"), "code 131026, 123456 at 10:20:30");
    assert_string_equal(scrubbed("8801712345678@c.us"), "…78@c.us");
    assert_string_equal(scrubbed("120363041234567890@g.us"), "…90@g.us");
}

static void test_scrub_body_and_secret(void **state) {
    assert_string_equal(scrubbed("refused: " BODY "."), "refused: […].");
    assert_string_equal(scrubbed("refused:\"been stuck since 10:4"), "refused:\"[…]");
    assert_string_equal(scrubbed("refused: stuck"), "refused: stuck");
    assert_string_equal(scrubbed("Bearer " SECRET "; end"), "Bearer […]; end");
    assert_string_equal(scrubbed("token EAAGm0PX..."), "token […]...");
}

/* As gateways that echo a request's headers or its URL send it back: whatever stands before it in what is encoded. */
static void test_scrub_encoded_secret(void **state) {
    static const char secret[] = "aZ09~+/?>%:x y\xc3\xbf.Tail";
    static struct sender sender = {.name = "s", .base_url = "", .secret = secret};
    static const char *const before[] = {"", "u:", "AC12345678:", "abc:", "\1user\1"};
    _cleanup_(buf_done) struct buf line = BUF_MAX(4096), plain = BUF_MAX(4096), kept = BUF_MAX(4096);
    char out[512];

    for (size_t i = 0; i < ELEMENTSOF(before) * 2; i++) {
        buf_clear(&plain);
        buf_clear(&line);
        buf_clear(&kept);
        assert_int_equal(buf_printf(&plain, "%s%s", before[i / 2], secret), 0);
        assert_int_equal(buf_append_string(&line, "Basic "), 0);
        assert_int_equal(base64_append(&line, plain.data, plain.size), 0);
        for (char *p = line.data; i % 2 && *p; p++) /* for URLs */
            *p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
        assert_int_equal(buf_append_string(&line, ", and on"), 0);
        scrub_text(line.data, line.size, &sender, NULL, out, sizeof(out));
        size_t head = strlen("Basic ") + (strlen(before[i / 2]) * 8 + 5) / 6;
        assert_memory_equal(out, line.data, head);
        assert_string_equal(out + head, "[…], and on");
        assert_int_equal(scrub_kept(&kept, line.data, line.size, &sender), 0);
        assert_string_equal(buf_string(&kept), out);
    }
    scrub_text("?k=aZ09~%2B%2F%3F%3E%25%3Ax%20y%C3%BF.Tail&", 43, &sender, NULL, out, sizeof(out));
    assert_string_equal(out, "?k=[…]&");
    scrub_text("?k=aZ09~%2b%2f%3f%3e%25%3ax%20y%c3%bf.Tail&", 43, &sender, NULL, out, sizeof(out));
    assert_string_equal(out, "?k=[…]&");
    scrub_text("<615a30397e2b2f3f3e253a782079c3bf2e5461696c>", 44, &sender, NULL, out, sizeof(out));
    assert_string_equal(out, "<[…]>");
    scrub_text("<615A30397E2B2F3F3E253A782079C3BF2E5461696C>", 44, &sender, NULL, out, sizeof(out));
    assert_string_equal(out, "<[…]>");
    sender.secret = "";
    scrub_text("nothing", 7, &sender, NULL, out, sizeof(out));
    assert_string_equal(out, "nothing");
    sender.secret = secret;
    scrub_text("nothing of it in this one, nor in YWJjZGVmZ2hpamts", 50, &sender, NULL, out, sizeof(out));
    assert_string_equal(out, "nothing of it in this one, nor in YWJjZGVmZ2hpamts");
}

/* In a string of JSON, and in one inside of that string's text. */
static void test_scrub_secret_in_json(void **state) {
    static const struct sender sender = {.name = "s", .base_url = "", .secret = "k9\"Lm\\x2/Pq\\z8"};
    static const char *const echoes[] = {"<k9\\\"Lm\\\\x2/Pq\\\\z8>", "<k9\\\"Lm\\\\x2\\/Pq\\\\z8>"};
    char out[512];

    for (size_t i = 0; i < ELEMENTSOF(echoes); i++) {
        scrub_text(echoes[i], strlen(echoes[i]), &sender, NULL, out, sizeof(out));
        assert_string_equal(out, "<[…]>");
    }
}

/* What stands in the place of something must not complete a piece of something else. */
static void test_scrub_what_was_scrubbed(void **state) {
    assert_string_equal(scrubbed("\nhas been stuck\nx"), "[…]x");
    assert_string_equal(scrubbed("99998888711 has been stuck"), "…[…]");
    assert_string_equal(scrubbed("3+880 1712-34567845639"), "3+……39");
}

static void test_scrub_template_values(void **state) {
    _cleanup_(json_freep) struct json *doc = parsed("{\"parameters\":[{\"text\":\"Nadia Rahman\"},{\"name\":\"x\",\"text\":7}]}");
    struct message message = message_to(NUMBER, "");
    char out[64];

    message.template = json_root(doc);
    scrub_text("value Nadia Rahman is bad", 25, NULL, &message, out, sizeof(out));
    assert_string_equal(out, "value […] is bad");
}

static void test_scrub_bytes(void **state) {
    char out[16], long_text[5000];

    assert_string_equal(scrubbed("a\r\nb\tc\x1b[0m\x7f\xc2\x85"), "a  b c [0m  ");
    assert_string_equal(scrubbed("a\xff\xc3"), "a\xef\xbf\xbd\xef\xbf\xbd");
    scrub_text("a\0b", 3, NULL, NULL, out, sizeof(out));
    assert_string_equal(out, "a\xef\xbf\xbd" "b");
    scrub_text("aaaaaaaaaaaaaa\xe2\x80\xa6", 17, NULL, NULL, out, sizeof(out));
    assert_string_equal(out, "aaaaaaaaaaaaaa");
    scrub_text(NULL, 0, NULL, NULL, out, sizeof(out));
    assert_string_equal(out, "");
    scrub_text("1234567", 7, NULL, NULL, out, 1);
    assert_string_equal(out, "");
    /* Where the input is cut a number can't be told from other digits: nothing of it is shown. */
    for (size_t digits = 1; digits <= 13; digits++) {
        static struct sender sender = {.name = "s", .base_url = "", .secret = SECRET};
        char seen[4096];
        struct message message = message_to(NUMBER, BODY);

        memset(long_text, ' ', sizeof(long_text));
        memcpy(long_text + 2048 - digits, NUMBER_DIGITS, 13);
        scrub_text(long_text, sizeof(long_text), &sender, &message, seen, sizeof(seen));
        assert_null(strpbrk(seen, "0123456789"));
    }
}

static void test_targets(void **state) {
    assert_true(target_is_e164("+8801712345678"));
    assert_true(target_is_e164("+1234567"));
    assert_true(target_is_e164("+123456789012345"));
    assert_false(target_is_e164("+1234567890123456"));
    assert_false(target_is_e164("+123456"));
    assert_false(target_is_e164("+0801712345678"));
    assert_false(target_is_e164("8801712345678"));
    assert_false(target_is_e164("+880 1712345678"));
    assert_false(target_is_e164("+8801712345678\n"));
    assert_false(target_is_e164("++801712345678"));
    assert_false(target_is_e164("+٨٨٠١٧١٢٣٤٥٦٧٨"));
    assert_false(target_is_e164(""));
    assert_true(target_is_phone_group("120363041234567890@g.us"));
    assert_true(target_is_phone_group("8801712345678-1412345678@g.us"));
    assert_false(target_is_phone_group("120363@g.us"));
    assert_false(target_is_phone_group("120363041234567890"));
    assert_false(target_is_phone_group("120363041234567890@g.us,1@g.us"));
    assert_false(target_is_phone_group("8801712345678-141234567@g.us"));
    assert_false(target_is_phone_group("1234-1412345678@g.us"));
    assert_false(target_is_phone_group(""));
    assert_true(target_is_cloud_group("Y2FwaV9ncm91cDo="));
    assert_false(target_is_cloud_group("120363041234567890@g.us"));
    assert_false(target_is_cloud_group(""));
}

static void test_urls(void **state) {
    static const char *const good[] = {
        "http://127.0.0.1:21465", "https://graph.facebook.com", "HTTPS://x/", "http://[::1]:8080/a?b=c", "https://a-b.c_d/%41",
    };
    static const char *const bad[] = {
        "", "ftp://x", "x", "//x", "http://", "http:///x", "http://:80", "http://u:p@x/", "http://u@x", "http://x y", "http://x/#f",
        "http://x/\r\nHost: y", "http://x\t", "http://x:0", "http://x:65536", "http://x:8a", "http://x:", "http://[::1", "http://[]/",
        "http://x\\@y/", "http://ä/", "http://x/{{body}}", "file:///etc/passwd", "http://x;y", "http://[::1]x",
    };
    char too_long[REQUEST_URL_BYTES_MAX + 2];
    const char *fault = NULL;

    for (size_t i = 0; i < ELEMENTSOF(good); i++)
        assert_int_equal(url_check(good[i], &fault), 0);
    assert_null(fault);
    for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
        fault = NULL;
        if (url_check(bad[i], &fault) != -EINVAL || !fault)
            fail_msg("taken for good: %s", bad[i]);
    }
    assert_int_equal(url_check(NULL, &fault), -EINVAL);
    memset(too_long, 'x', sizeof(too_long));
    memcpy(too_long, "http://", 7);
    too_long[sizeof(too_long) - 1] = '\0';
    assert_int_equal(url_check(too_long, &fault), -EINVAL);
}

static void test_url_parts(void **state) {
    _cleanup_(buf_done) struct buf b = BUF_MAX(64);

    assert_int_equal(url_append_base(&b, "http://x/a//"), 0);
    assert_string_equal(buf_string(&b), "http://x/a");
    buf_clear(&b);
    assert_int_equal(url_append_escaped(&b, "a b/../?#%é~-_."), 0);
    assert_string_equal(buf_string(&b), "a%20b%2F..%2F%3F%23%25%C3%A9~-_.");
    buf_clear(&b);
    assert_int_equal(url_append_escaped(&b, ".."), 0);
    assert_string_equal(buf_string(&b), "%2E%2E");
    buf_clear(&b);
    assert_int_equal(url_append_escaped(&b, ""), 0);
    assert_string_equal(buf_string(&b), "");
}

static void test_registry(void **state) {
    assert_ptr_equal(gateway_find("cloud"), &gateway_cloud);
    assert_ptr_equal(gateway_find("smtp"), &gateway_smtp);
    assert_ptr_equal(gateway_find("twilio"), &gateway_twilio);
    assert_ptr_equal(gateway_find("webhook"), &gateway_webhook);
    assert_ptr_equal(gateway_find("evolution"), &gateway_evolution);
    assert_ptr_equal(gateway_find("waha"), &gateway_waha);
    assert_ptr_equal(gateway_find("webjs"), &gateway_webjs);
    assert_ptr_equal(gateway_find("wppconnect"), &gateway_wppconnect);
    assert_null(gateway_find("Cloud"));
    assert_null(gateway_find(""));
    assert_null(gateway_find(NULL));
    for (const char *p = gateway_names(); p; p = strstr(p, ", ")) {
        char name[32];

        p += p[0] == ',' ? 2 : 0;
        (void) snprintf(name, sizeof(name), "%.*s", (int) strcspn(p, ","), p);
        assert_non_null(gateway_find(name));
        assert_string_equal(gateway_find(name)->name, name);
    }
}

/* Nothing left: the sender waits, whichever gateway it is. Something left: in doubt. Neither is the gateway's to judge. */
static void test_not_complete(void **state) {
    static const char *const names[] = {"cloud", "evolution", "smtp", "twilio", "waha", "webhook", "webjs", "wppconnect"};
    struct sender sender = {.name = "s", .base_url = "", .secret = SECRET};
    struct message message = message_to(NUMBER, BODY);

    for (size_t i = 0; i < ELEMENTSOF(names); i++) {
        const struct gateway *g = gateway_find(names[i]);
        struct reply reply = {.kind = REPLY_UNSENT, .retry_after_sec = -1, .reason = "could not connect to 10.0.0.1 port 21465"};
        struct outcome o;

        gateway_outcome(g, &sender, &message, &reply, &o);
        assert_outcome(&o, WAITS(SENDER, WAIT_BY_BACKOFF), "could not connect to 10.0.0.1 port 21465");
        reply.kind = REPLY_UNKNOWN;
        reply.status = 200; /* a whole head, and half a body */
        (void) snprintf(reply.reason, sizeof(reply.reason), "cut off at %s", SECRET);
        gateway_outcome(g, &sender, &message, &reply, &o);
        assert_outcome(&o, IN_DOUBT, "cut off at […]");
        assert_int_equal(o.status, 200);
        memset(reply.reason, 'x', sizeof(reply.reason)); /* not even terminated */
        gateway_outcome(g, &sender, &message, &reply, &o);
        assert_outcome(&o, IN_DOUBT, "xxxx");
        reply.reason[0] = '\0';
        gateway_outcome(g, &sender, &message, &reply, &o);
        assert_outcome(&o, IN_DOUBT, NULL);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words), cmocka_unit_test(test_match), cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_detail_and_code), cmocka_unit_test(test_reason_is_cut_between_characters),
        cmocka_unit_test(test_accept), cmocka_unit_test(test_scrub_numbers), cmocka_unit_test(test_scrub_body_and_secret),
        cmocka_unit_test(test_scrub_encoded_secret), cmocka_unit_test(test_scrub_secret_in_json),
        cmocka_unit_test(test_scrub_what_was_scrubbed),
        cmocka_unit_test(test_scrub_template_values), cmocka_unit_test(test_scrub_bytes), cmocka_unit_test(test_targets),
        cmocka_unit_test(test_urls), cmocka_unit_test(test_url_parts), cmocka_unit_test(test_registry),
        cmocka_unit_test(test_not_complete),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
