/* What is told of a transfer, from how much was sent and what came back. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "unit.h"

#include "base/clock.h"
#include "io/exchange.h"

static void begin(struct exchange *e, const char *url) {
    struct request request;

    exchange_init(e);
    request_init(&request);
    request.method = "POST";
    assert_int_equal(buf_append_string(&request.url, url), 0);
    assert_int_equal(buf_append_string(&request.body, "{\"to\":\"8801712345678\",\"text\":\"a message that is long enough\"}"), 0);
    assert_int_equal(request_add_header(&request, "Authorization", "Bearer canary-canary-canary-canary-canary"), 0);
    assert_int_equal(exchange_begin(e, &request, 30 * USEC_PER_SEC), 0);
    request_done(&request);
}

static void add_header(struct exchange *e, const char *line) {
    assert_int_equal(answer_add_header(&e->answer, line, strlen(line), 0), 0);
}

static void test_kinds(void **state) {
    static const struct {
        enum exchange_end end;
        int status;
        size_t bytes_sent;
        bool has_headers;
        enum reply_kind kind;
        const char *reason;
    } rows[] = {
        {EXCHANGE_WHOLE, 200, 300, true, REPLY_COMPLETE, ""},
        {EXCHANGE_WHOLE, 500, 300, true, REPLY_COMPLETE, ""},
        {EXCHANGE_WHOLE, 200, 300, false, REPLY_UNKNOWN, "the answer broke off"},
        {EXCHANGE_WHOLE, 0, 300, false, REPLY_UNKNOWN, "no final status"},
        {EXCHANGE_WHOLE, 0, 0, false, REPLY_UNKNOWN, "no final status"}, /* a failed rewind came back as success once */
        {EXCHANGE_WHOLE, 100, 300, true, REPLY_UNKNOWN, "no final status"},
        {EXCHANGE_WHOLE, 200, 700, true, REPLY_UNKNOWN, "sent more than once"},
        {EXCHANGE_UNRESOLVED, 0, 0, false, REPLY_UNSENT, "host.example: the name cannot be resolved"},
        {EXCHANGE_CONNECT, 0, 0, false, REPLY_UNSENT, "cannot connect: detail"},
        {EXCHANGE_CONNECT, 0, 300, false, REPLY_UNKNOWN, "after the request was sent: detail"},
        {EXCHANGE_EXPIRED, 0, 0, false, REPLY_UNSENT, "within 30 s"},
        {EXCHANGE_EXPIRED, 0, 1, false, REPLY_UNKNOWN, "within 30 s"},
        {EXCHANGE_SILENT, 0, 300, false, REPLY_UNKNOWN, "without an answer"},
        {EXCHANGE_SILENT, 0, 0, false, REPLY_UNSENT, "detail"},
        {EXCHANGE_BROKE_OFF, 200, 300, true, REPLY_UNKNOWN, "the answer broke off"},
        {EXCHANGE_FAILED, 200, 300, true, REPLY_UNKNOWN, "detail"},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        struct exchange e;
        struct exchange_result result = {
            .end = rows[i].end, .status = rows[i].status, .bytes_sent = rows[i].bytes_sent, .detail = "detail"};
        struct reply reply;

        begin(&e, "https://host.example/path?secret");
        if (rows[i].has_headers) {
            add_header(&e, "HTTP/1.1 200 OK\r\n");
            add_header(&e, "\r\n");
        }
        exchange_describe(&e, &result, &reply);
        if (reply.kind != rows[i].kind || !strstr(reply.reason, rows[i].reason))
            fail_msg("row %zu: kind %d, \"%s\"", i, reply.kind, reply.reason);
        assert_true((reply.kind == REPLY_COMPLETE) == (reply.reason[0] == '\0'));
        assert_null(strstr(reply.reason, "secret"));
        assert_int_equal(reply.status, rows[i].status < 200 ? 0 : rows[i].status);
        exchange_done(&e);
    }
}

/* A reason is printable and fits, whatever the transport says. */
static void test_reason_is_printable(void **state) {
    struct exchange e;
    struct reply reply;
    char detail[1000];
    struct exchange_result result = {.end = EXCHANGE_FAILED, .bytes_sent = 300, .detail = detail};

    memset(detail, 'x', sizeof(detail));
    detail[0] = '\n';
    detail[1] = '\x1b';
    detail[sizeof(detail) - 1] = '\0';
    begin(&e, "http://127.0.0.1:8080");
    exchange_describe(&e, &result, &reply);
    assert_non_null(strstr(reply.reason, "127.0.0.1:8080: after the request was sent: \\x0a\\x1bxxx"));
    assert_true(strlen(reply.reason) < REPLY_REASON_BYTES);
    exchange_done(&e);
}

static void test_bounds(void **state) {
    static char block[64 * 1024];
    struct answer a;
    size_t lines = 0;

    answer_init(&a);
    for (int i = 0; i < 4; i++)
        assert_int_equal(answer_add_body(&a, block, sizeof(block)), 0);
    assert_int_equal(a.body.size, REPLY_BODY_BYTES_MAX);
    assert_false(a.is_too_long);
    assert_int_equal(answer_add_body(&a, block, 1), -EMSGSIZE);
    assert_true(a.is_too_long);
    assert_int_equal(a.body.size, REPLY_BODY_BYTES_MAX);
    answer_clear(&a);
    assert_false(a.is_too_long);
    assert_int_equal(a.body.allocated, 0);
    while (answer_add_header(&a, "X: 3456\r\n", 9, 0) == 0)
        lines++;
    assert_int_equal(lines, ANSWER_HEADERS_BYTES_MAX / 9);
    assert_true(a.is_too_long);
    answer_done(&a);
}

/* What this machine's clock says does not count where the gateway says what its own does. */
static void test_a_date_is_of_the_gateways_clock(void **state) {
    struct exchange e;

    for (int order = 0; order < 2; order++) {
        begin(&e, "http://127.0.0.1/");
        add_header(&e, "HTTP/1.1 429 Many\r\n");
        add_header(&e, order ? "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" : "Retry-After: Sun, 06 Nov 1994 08:50:07 GMT\r\n");
        add_header(&e, order ? "Retry-After: Sun, 06 Nov 1994 08:50:07 GMT\r\n" : "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
        assert_int_equal(e.answer.retry_after_sec, 30);
        add_header(&e, "Date: tomorrow\r\n"); /* then this machine's, which is at 0 here */
        assert_int_equal(e.answer.retry_after_sec, ANSWER_RETRY_AFTER_MAX_SEC);
        add_header(&e, "HTTP/1.1 200 OK\r\n");
        add_header(&e, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
        assert_int_equal(e.answer.retry_after_sec, -1);
        exchange_done(&e);
    }
}

static void test_header_block(void **state) {
    struct exchange e;

    begin(&e, "http://127.0.0.1/");
    add_header(&e, "HTTP/1.1 100 Continue\r\n");
    add_header(&e, "Retry-After: 9\r\n");
    add_header(&e, "\r\n");
    assert_int_equal(e.answer.retry_after_sec, 9);
    add_header(&e, "HTTP/1.1 200 OK\r\n");
    assert_int_equal(e.answer.retry_after_sec, -1);
    assert_false(e.answer.has_all_headers);
    add_header(&e, "retry-AFTER:\t12\r\n");
    assert_int_equal(e.answer.retry_after_sec, 12);
    assert_false(e.answer.has_all_headers);
    add_header(&e, "\r\n");
    assert_true(e.answer.has_all_headers);
    add_header(&e, "Trailer: x\r\n");
    assert_true(e.answer.has_all_headers);
    exchange_done(&e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_reason_is_printable),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_a_date_is_of_the_gateways_clock),
        cmocka_unit_test(test_header_block),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
