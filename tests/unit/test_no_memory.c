/* Every allocation fails once, in everything that makes or reads requests, answers and webhooks: -ENOMEM, or the outcome that
 * claims least. That nothing is lost or used after it is the sanitizers' to see.
 * link: -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup */
#include "gateway_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/mman.h>
#include <syslog.h>

#include "base/log.h"
#include "failing_malloc.h"
#include "gateway/placeholder.h"
#include "gateway/scrub.h"
#include "io/answer.h"
#include "io/exchange.h"
#include "io/secret.h"
#include "io/url.h"
#include "web/batch.h"
#include "web/receipt.h"
#include "web/signature.h"

#define LONG_TEXT "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"

/* What is tried; made before the first allocation fails. */
static struct {
    const struct gateway *gateway;
    struct sender sender;
    struct message message;
    struct reply reply;
    struct outcome expected;
    const struct json_value *webhook;
} given;

/* --- requests --- */

static int try_request(void) {
    _cleanup_(request_done) struct request request;
    struct outcome o;
    int r;

    request_init(&request);
    r = given.gateway->request(&given.sender, &given.message, &request, &o);
    assert_true(r == 1 || r == -ENOMEM);
    return r < 0 ? r : 0;
}

static void request_of(const struct gateway *gateway, const char *base_url, const char *account, const char *template) {
    _cleanup_(json_freep) struct json *doc = parsed(account), *parameters = template ? parsed(template) : NULL;

    given.gateway = gateway;
    given.sender = (struct sender) {.name = "s", .base_url = base_url, .secret = SECRET, .account = json_root(doc)};
    given.message = message_to(NUMBER, BODY " " LONG_TEXT LONG_TEXT);
    given.message.template = parameters ? json_root(parameters) : NULL;
    assert_true(fail_each_allocation(try_request, -ENOMEM) > 4);
}

#define WEBHOOK_ACCOUNT "{\"path\":\"/x\",\"headers\":{\"X-Key\":\"{{credential}}\"}," \
                        "\"body\":{\"to\":[\"{{phone}}\"],\"t\":\"{{body}}\"}," \
                        "\"success\":{\"path\":\"id\",\"equals\":{\"ok\":true}}}"

static void test_requests(void **state) {
    request_of(&gateway_cloud, "", "{\"phone_number_id\":\"1\"}", NULL);
    request_of(&gateway_cloud, "https://x.example/", "{\"phone_number_id\":\"1\"}",
               "{\"name\":\"n\",\"language\":\"en\",\"parameters\":[{\"name\":\"a\",\"text\":\"x\\ny\"},"
               "{\"name\":\"b\",\"text\":\"" LONG_TEXT "\"}]}");
    request_of(&gateway_wppconnect, "http://127.0.0.1:21465", "{\"session\":\"a b\"}", NULL);
    request_of(&gateway_webhook, "http://127.0.0.1:3000", WEBHOOK_ACCOUNT, NULL);
}

/* A sender that can't send waits, and says why or that there was no memory to. */
static void test_refusals(void **state) {
    _cleanup_(json_freep) struct json *empty = parsed("{}");
    static const struct gateway *const gateways[] = {&gateway_cloud, &gateway_wppconnect, &gateway_webhook};

    for (size_t i = 0; i < ELEMENTSOF(gateways); i++) {
        struct sender sender = {.name = "s", .base_url = "", .secret = SECRET, .account = json_root(empty)};
        struct message message = message_to(NUMBER, BODY);

        for (long n = 0; allocations_left < 0; n++) {
            _cleanup_(request_done) struct request request;
            struct outcome o;

            request_init(&request);
            allocations_left = n;
            assert_int_equal(gateways[i]->request(&sender, &message, &request, &o), 0);
            assert_outcome(&o, OUTCOME_WAIT, SCOPE_SENDER, 60, NULL);
        }
        allocations_left = -1;
    }
}

/* --- answers --- */

/* Never accepted nor rejected unless it is. */
static int try_outcome(void) {
    struct outcome o;

    gateway_outcome(given.gateway, &given.sender, &given.message, &given.reply, &o);
    assert_fit(&o);
    if (o.kind == given.expected.kind && strcmp(o.message_id, given.expected.message_id) == 0)
        return 0;
    return o.kind == OUTCOME_WAIT || o.kind == OUTCOME_IN_DOUBT ? 0 : -EBADMSG;
}

static void outcome_of(const struct gateway *gateway, const char *account, int status, const char *body) {
    _cleanup_(json_freep) struct json *doc = parsed(account);

    given.gateway = gateway;
    given.sender = (struct sender) {.name = "s", .base_url = "", .secret = SECRET, .account = json_root(doc)};
    given.message = message_to(NUMBER, BODY);
    given.reply = reply_of(status, body);
    gateway_outcome(gateway, &given.sender, &given.message, &given.reply, &given.expected);
    assert_true(fail_each_allocation(try_outcome, 0) > 2);
}

static void test_outcomes(void **state) {
    static const char told[] = "{\"error\":{\"message\":\"" SECRET " " NUMBER " " BODY "\","
                               "\"code\":131026,\"error_data\":{\"details\":\"d\"}}}";
    static const char *const accounts[] = {"{\"phone_number_id\":\"1\"}", "{\"session\":\"a\"}", WEBHOOK_ACCOUNT};
    static const struct gateway *const gateways[] = {&gateway_cloud, &gateway_wppconnect, &gateway_webhook};
    static const int statuses[] = {200, 201, 400, 401, 404, 429, 500, 502};

    for (size_t i = 0; i < ELEMENTSOF(gateways); i++)
        for (size_t s = 0; s < ELEMENTSOF(statuses); s++)
            outcome_of(gateways[i], accounts[i], statuses[s], told);
    outcome_of(&gateway_cloud, accounts[0], 200, "{\"messages\":[{\"id\":\"wamid.1\"}]}");
    outcome_of(&gateway_wppconnect, accounts[1], 201, "{\"status\":\"success\",\"response\":[{\"id\":\"x\"}]}");
    outcome_of(&gateway_webhook, accounts[2], 200, "{\"ok\":true,\"id\":\"x\"}");
    outcome_of(&gateway_webhook, accounts[2], 200, "{\"ok\":false,\"id\":\"x\"}");
}

static void test_no_answer(void **state) {
    given.gateway = &gateway_cloud;
    given.sender = (struct sender) {.name = "s", .base_url = "", .secret = SECRET};
    given.message = message_to(NUMBER, BODY);
    given.reply = (struct reply) {.kind = REPLY_UNSENT, .reason = "cannot reach " NUMBER};
    gateway_outcome(given.gateway, &given.sender, &given.message, &given.reply, &given.expected);
    assert_true(fail_each_allocation(try_outcome, 0) > 1);
    given.reply.kind = REPLY_UNKNOWN;
    gateway_outcome(given.gateway, &given.sender, &given.message, &given.reply, &given.expected);
    assert_true(fail_each_allocation(try_outcome, 0) > 1);
}

static int try_kept(void) {
    _cleanup_(buf_done) struct buf kept = BUF_MAX(1024);

    return scrub_kept(&kept, "x " SECRET " " LONG_TEXT, strlen("x " SECRET " " LONG_TEXT), &given.sender);
}

static int try_expand(void) {
    _cleanup_(buf_done) struct buf b = BUF_MAX(4096);

    return placeholder_expand(&b, LONG_TEXT "{{body}}{{key}}{{target}}{{credential}}{{kind}}{{x", &given.sender, &given.message);
}

static void test_pieces_of_gateways(void **state) {
    given.sender = (struct sender) {.secret = SECRET};
    given.message = message_to(NUMBER, BODY);
    assert_true(fail_each_allocation(try_kept, -ENOMEM) > 1);
    assert_true(fail_each_allocation(try_expand, -ENOMEM) > 1);
}

/* --- webhooks --- */

static int add_receipt(const struct receipt *receipt, void *userdata) {
    batch_add(userdata, receipt);
    return 0;
}

static int add_notice(const struct notice *notice, void *userdata) {
    batch_add_notice(userdata, notice);
    return 0;
}

static int try_webhook(int (*read_receipts)(const struct json_value *, receipt_fn, void *),
                       int (*read_notices)(const struct json_value *, notice_fn, void *)) {
    struct batch batch;
    int r;

    batch_init(&batch);
    r = read_receipts(given.webhook, add_receipt, &batch);
    if (r >= 0)
        r = read_notices(given.webhook, add_notice, &batch);
    if (r >= 0)
        r = batch_close(&batch);
    batch_done(&batch);
    return r;
}

static int try_cloud(void) {
    return try_webhook(receipt_read_cloud, notice_read_cloud);
}

static int try_wppconnect(void) {
    return try_webhook(receipt_read_wppconnect, notice_read_wppconnect);
}

static void test_receipts(void **state) {
    _cleanup_(json_freep) struct json *cloud = parsed(
        "{\"entry\":[{\"changes\":[{\"field\":\"messages\",\"value\":{\"metadata\":{\"phone_number_id\":\"1\"},\"statuses\":["
        "{\"id\":\"w\",\"status\":\"failed\",\"biz_opaque_callback_data\":\"1.2\","
        "\"errors\":[{\"code\":1,\"title\":\"t\","
        "\"error_data\":{\"details\":\"" LONG_TEXT "\"}}]},{\"id\":\"w\",\"status\":\"read\"}],"
        "\"messages\":[{\"from\":\"8801712345678\",\"type\":\"text\",\"text\":{\"body\":\"stop\"}}]}}]}]}");
    _cleanup_(json_freep) struct json *chat = parsed("{\"event\":\"onmessage\",\"session\":\"a\",\"type\":\"chat\",\"body\":\"stop\","
                                                     "\"from\":\"8801712345678@c.us\"}");
    _cleanup_(json_freep) struct json *event = parsed(
        "{\"event\":\"onack\",\"session\":\"a\",\"id\":\"" LONG_TEXT "\",\"ack\":-2}");

    given.webhook = json_root(cloud);
    assert_true(fail_each_allocation(try_cloud, -ENOMEM) > 8);
    given.webhook = json_root(event);
    assert_true(fail_each_allocation(try_wppconnect, -ENOMEM) > 8);
    given.webhook = json_root(chat);
    assert_true(fail_each_allocation(try_wppconnect, -ENOMEM) >= 5);
}

/* libcrypto's own allocations too; what it could not do is -EIO. */
static void *crypto_malloc(size_t size, const char *file, int line) {
    return __wrap_malloc(size);
}

static void *crypto_realloc(void *pointer, size_t size, const char *file, int line) {
    return __wrap_realloc(pointer, size);
}

static void crypto_free(void *pointer, const char *file, int line) {
    free(pointer);
}

/* libcrypto does without some of what it asks for; what it then says is still true. */
static void test_signature(void **state) {
    static const char right[] = "sha256=515aae133b435d4000956731f68ae5cf5eb85d4f0dc6a546d2bfcd3595ec1ae1";
    static const char wrong[] = "sha256=00000000000000000000000000000000000000000000000000000000000000ff";
    unsigned failures = 0;

    assert_int_equal(signature_check(right, "key", "body", 4), 1); /* what libcrypto makes once, it makes now */
    for (long n = 0; allocations_left < 0; n++) {
        int r;

        allocations_left = n;
        r = signature_check(n % 2 == 0 ? right : wrong, "key", "body", 4);
        assert_true(r == (n % 2 == 0) || r == -ENOMEM || r == -EIO);
        failures += r < 0;
    }
    allocations_left = -1;
    assert_true(failures > 5);
}

/* --- what carries them --- */

static int try_exchange(void) {
    _cleanup_(request_done) struct request request;
    struct exchange e;
    int r;

    exchange_init(&e);
    request_init(&request);
    r = buf_append_string(&request.url, "http://127.0.0.1/");
    if (r >= 0)
        r = request_add_header(&request, "Authorization", "Bearer " SECRET);
    if (r >= 0)
        r = buf_append_string(&request.body, BODY);
    if (r >= 0)
        r = exchange_begin(&e, &request, 1000);
    if (r >= 0)
        r = answer_add_header(&e.answer, "HTTP/1.1 200 OK\r\n", 17, 0);
    if (r >= 0)
        r = answer_add_body(&e.answer, LONG_TEXT, strlen(LONG_TEXT));
    exchange_done(&e);
    return r;
}

static void test_exchange(void **state) {
    assert_true(fail_each_allocation(try_exchange, -ENOMEM) >= 6);
}

/* The kind of a reply does not hang on memory; its words may. */
static void test_description(void **state) {
    _cleanup_(request_done) struct request request;
    struct exchange_result result = {.end = EXCHANGE_CONNECT, .detail = LONG_TEXT};
    struct exchange e;

    exchange_init(&e);
    request_init(&request);
    assert_int_equal(buf_append_string(&request.url, "http://127.0.0.1/" LONG_TEXT), 0);
    assert_int_equal(exchange_begin(&e, &request, 1000), 0);
    for (long n = 0; allocations_left < 0; n++) {
        struct reply reply;

        allocations_left = n;
        exchange_describe(&e, &result, &reply);
        assert_int_equal(reply.kind, REPLY_UNSENT);
        assert_true(memchr(reply.reason, '\0', sizeof(reply.reason)) != NULL);
    }
    allocations_left = -1;
    exchange_done(&e);
}

static char directory[] = "/tmp/pgherald-no-memory-XXXXXX";

static int try_secret(void) {
    _cleanup_(secret_freep) struct secret *s = NULL;
    _cleanup_(buf_done) struct buf error = BUF_MAX(1024);
    int r = secret_load("token", directory, &s, &error);

    assert_true((r == 0) == (s != NULL));
    return r;
}

static void test_secret(void **state) {
    char path[64];
    int fd;

    assert_non_null(mkdtemp(directory));
    (void) snprintf(path, sizeof(path), "%s/token", directory);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, SECRET, strlen(SECRET)), strlen(SECRET));
    assert_int_equal(close(fd), 0);
    assert_true(fail_each_allocation(try_secret, -ENOMEM) >= 2);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0);
}

/* Whatever is missing of a line, it ends. */
static void test_log(void **state) {
    static const struct log_field fields[] = {{"PGHERALD_SENDER", LONG_TEXT}, {"PGHERALD_RULE", LONG_TEXT}, {NULL, NULL}};
    int to = memfd_create("log", MFD_CLOEXEC), before = dup(STDERR_FILENO);
    long n = 0;

    assert_true(to >= 0 && before >= 0 && dup2(to, STDERR_FILENO) >= 0);
    for (; allocations_left < 0; n++) {
        allocations_left = n;
        log_event(LOG_EVENT_NONE, LOG_ERR, fields, "%s", LONG_TEXT);
    }
    allocations_left = -1;
    assert_true(dup2(before, STDERR_FILENO) >= 0 && close(before) == 0 && lseek(to, 0, SEEK_SET) == 0);
    for (; n > 0; n--) {
        char line[1024];
        size_t size = 0;

        while (size < sizeof(line) && read(to, line + size, 1) == 1 && line[size] != '\n')
            size++;
        assert_true(size < sizeof(line) && line[size] == '\n');
        assert_memory_equal(line, "err: ", 5);
    }
    assert_int_equal(close(to), 0);
}

static int try_url(void) {
    _cleanup_(buf_done) struct buf b = BUF_MAX(4096);
    int r = url_append_base(&b, "http://127.0.0.1/");

    return r < 0 ? r : url_append_escaped(&b, LONG_TEXT "/ä");
}

static void test_url(void **state) {
    assert_true(fail_each_allocation(try_url, -ENOMEM) >= 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_pieces_of_gateways),
        cmocka_unit_test(test_receipts),
        cmocka_unit_test(test_signature),
        cmocka_unit_test(test_exchange),
        cmocka_unit_test(test_description),
        cmocka_unit_test(test_secret),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_url),
    };

    if (CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) != 1)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
