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
#include "gateway/twilio_callback.h"
#include "io/answer.h"
#include "io/exchange.h"
#include "io/qr.h"
#include "io/secret.h"
#include "io/url.h"
#include "web/batch.h"
#include "web/receipt.h"
#include "web/signature.h"

#define LONG_TEXT "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"

#define SID "0123456789abcdef0123456789abcdef"
#define CLOUD_ACCOUNT "{\"phone_number_id\":\"1\"}"
#define EVOLUTION_ACCOUNT "{\"instance\":\"a b\"}"
#define MAIL_ACCOUNT "{\"from\":\"alerts@example.org\",\"user\":\"alerts\"}"
#define SESSION_ACCOUNT "{\"session\":\"ab\"}"
#define TWILIO_ACCOUNT "{\"account_sid\":\"AC" SID "\",\"from\":\"whatsapp:+14155238886\"," \
                       "\"status_callback\":\"https://x.example/t\"}"
#define WEBHOOK_ACCOUNT "{\"path\":\"/x\",\"headers\":{\"X-Key\":\"{{credential}}\"}," \
                        "\"body\":{\"to\":[\"{{phone}}\"],\"t\":\"{{body}}\"}," \
                        "\"success\":{\"path\":\"id\",\"equals\":{\"ok\":true}}}"

/* What is tried; made before the first allocation fails. */
static struct {
    const struct gateway *gateway;
    struct sender sender;
    struct message message;
    struct reply reply;
    struct outcome expected;
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

static void request_with(const struct gateway *gateway, const char *base_url, const char *account,
                         const struct json_value *template, const struct json_value *media) {
    _cleanup_(json_freep) struct json *doc = parsed(account);

    given.gateway = gateway;
    given.sender = (struct sender) {.name = "s", .base_url = base_url, .secret = SECRET, .account = json_root(doc)};
    given.message = message_to(gateway == &gateway_smtp ? "ada@example.org" : NUMBER, BODY " ü " LONG_TEXT LONG_TEXT);
    given.message.is_group = false;
    given.message.template = template;
    given.message.media = media;
    assert_true(fail_each_allocation(try_request, -ENOMEM) > 4);
}

static void request_of(const struct gateway *gateway, const char *base_url, const char *account, const char *template) {
    _cleanup_(json_freep) struct json *parameters = template ? parsed(template) : NULL;

    request_with(gateway, base_url, account, parameters ? json_root(parameters) : NULL, NULL);
}

static void media_of(const struct gateway *gateway, const char *base_url, const char *account) {
    _cleanup_(json_freep) struct json *media = parsed("{\"type\":\"image\",\"url\":\"https://x.example/" LONG_TEXT
                                                      "\",\"filename\":\"a.jpg\"}");

    request_with(gateway, base_url, account, NULL, json_root(media));
}

static void test_requests(void **state) {
    request_of(&gateway_cloud, "", CLOUD_ACCOUNT, NULL);
    request_of(&gateway_cloud, "https://x.example/", CLOUD_ACCOUNT,
               "{\"name\":\"n\",\"language\":\"en\",\"parameters\":[{\"name\":\"a\",\"text\":\"x\\ny\"},"
               "{\"name\":\"b\",\"text\":\"" LONG_TEXT "\"}]}");
    request_of(&gateway_evolution, "http://127.0.0.1:8080", EVOLUTION_ACCOUNT, NULL);
    request_of(&gateway_smtp, "smtp://mail.example.org:587", MAIL_ACCOUNT, NULL);
    request_of(&gateway_twilio, "", TWILIO_ACCOUNT, NULL);
    request_of(&gateway_twilio, "", TWILIO_ACCOUNT, "{\"name\":\"HX" SID "\",\"parameters\":[{\"text\":\"" LONG_TEXT "\"}]}");
    request_of(&gateway_waha, "http://127.0.0.1:3000", SESSION_ACCOUNT, NULL);
    request_of(&gateway_webjs, "http://127.0.0.1:3000", SESSION_ACCOUNT, NULL);
    request_of(&gateway_wppconnect, "http://127.0.0.1:21465", SESSION_ACCOUNT, NULL);
    request_of(&gateway_webhook, "http://127.0.0.1:3000", WEBHOOK_ACCOUNT, NULL);
}

static void test_media(void **state) {
    media_of(&gateway_cloud, "", CLOUD_ACCOUNT);
    media_of(&gateway_evolution, "http://127.0.0.1:8080", EVOLUTION_ACCOUNT);
    media_of(&gateway_smtp, "smtp://mail.example.org:587", MAIL_ACCOUNT);
    media_of(&gateway_twilio, "", TWILIO_ACCOUNT);
    media_of(&gateway_waha, "http://127.0.0.1:3000", SESSION_ACCOUNT);
    media_of(&gateway_webhook, "http://127.0.0.1:3000", "{\"body\":\"\",\"media\":{\"body\":\"{{media.url}} {{body}}\"}}");
    media_of(&gateway_webjs, "http://127.0.0.1:3000", SESSION_ACCOUNT);
    media_of(&gateway_wppconnect, "http://127.0.0.1:21465", SESSION_ACCOUNT);
}

/* A sender that can't send waits, and says why or that there was no memory to. */
static void test_refusals(void **state) {
    _cleanup_(json_freep) struct json *empty = parsed("{}");
    static const struct gateway *const gateways[] = {&gateway_cloud, &gateway_evolution, &gateway_smtp,  &gateway_twilio,
                                                     &gateway_waha,  &gateway_webhook,   &gateway_webjs, &gateway_wppconnect};

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

/* Never accepted nor rejected unless it is; perhaps without its id. */
static int try_outcome(void) {
    struct outcome o;

    gateway_outcome(given.gateway, &given.sender, &given.message, &given.reply, &o);
    assert_fit(&o);
    if (o.kind == given.expected.kind && (o.message_id[0] == '\0' || strcmp(o.message_id, given.expected.message_id) == 0))
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
    static const struct {
        const struct gateway *gateway;
        const char *account;
    } cases[] = {
        {&gateway_cloud, CLOUD_ACCOUNT},  {&gateway_evolution, EVOLUTION_ACCOUNT}, {&gateway_smtp, MAIL_ACCOUNT},
        {&gateway_twilio, TWILIO_ACCOUNT}, {&gateway_waha, SESSION_ACCOUNT},              {&gateway_webhook, WEBHOOK_ACCOUNT},
        {&gateway_webjs, SESSION_ACCOUNT}, {&gateway_wppconnect, SESSION_ACCOUNT},
    };
    static const int statuses[] = {200, 201, 400, 401, 404, 422, 429, 500, 502};

    for (size_t i = 0; i < ELEMENTSOF(cases); i++)
        for (size_t s = 0; s < ELEMENTSOF(statuses); s++)
            outcome_of(cases[i].gateway, cases[i].account, statuses[s], told);
    outcome_of(&gateway_cloud, CLOUD_ACCOUNT, 200, "{\"messages\":[{\"id\":\"wamid.1\"}]}");
    outcome_of(&gateway_evolution, EVOLUTION_ACCOUNT, 201, "{\"key\":{\"id\":\"x\"}}");
    outcome_of(&gateway_evolution, EVOLUTION_ACCOUNT, 400, "{\"response\":{\"message\":[{\"exists\":false}]}}");
    outcome_of(&gateway_twilio, TWILIO_ACCOUNT, 201, "{\"sid\":\"SM" SID "\",\"status\":\"queued\"}");
    outcome_of(&gateway_twilio, TWILIO_ACCOUNT, 201, "{\"sid\":\"SM" SID "\",\"status\":\"failed\",\"error_code\":63016}");
    outcome_of(&gateway_waha, SESSION_ACCOUNT, 201, "{\"key\":{\"remoteJid\":\"1@s.whatsapp.net\",\"id\":\"x\"}}");
    outcome_of(&gateway_webjs, SESSION_ACCOUNT, 200, "{\"success\":true,\"message\":{\"id\":{\"_serialized\":\"x\"}}}");
    outcome_of(&gateway_wppconnect, SESSION_ACCOUNT, 201, "{\"status\":\"success\",\"response\":[{\"id\":\"x\"}]}");
    outcome_of(&gateway_webhook, WEBHOOK_ACCOUNT, 200, "{\"ok\":true,\"id\":\"x\"}");
    outcome_of(&gateway_webhook, WEBHOOK_ACCOUNT, 200, "{\"ok\":false,\"id\":\"x\"}");
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

/* A session is never said to be connected, logged out or waiting for a code unless its gateway said so. */
static struct {
    enum purpose purpose;
    unsigned step;
    enum health_kind kind;
} asked;

static int try_health(void) {
    struct health h;

    health_from_reply(given.gateway, &given.sender, asked.purpose, asked.step, &given.reply, &h);
    assert_true(text_is_utf8(h.reason, strlen(h.reason)));
    return h.kind == asked.kind || h.kind == HEALTH_ILL || h.kind == HEALTH_UNKNOWN ? 0 : -EBADMSG;
}

static int try_question(void) {
    _cleanup_(request_done) struct request request;

    request_init(&request);
    return given.gateway->ask(&given.sender, asked.purpose, asked.step, &request);
}

static void test_pairing(void **state) {
    static const struct {
        const struct gateway *gateway;
        const char *account;
        unsigned question; /* a step that it has */
        enum purpose purpose;
        unsigned step;
        int status;
        const char *body;
        enum health_kind kind;
    } rows[] = {
        {&gateway_evolution, EVOLUTION_ACCOUNT, 3, PURPOSE_PAIR, 1, 200, "{\"code\":\"2@x\"}", HEALTH_CODE},
        {&gateway_evolution, EVOLUTION_ACCOUNT, 5, PURPOSE_UNPAIR, 0, 200, "{\"error\":false}", HEALTH_WELL},
        {&gateway_evolution, EVOLUTION_ACCOUNT, 5, PURPOSE_UNPAIR, 0, 500, "{\"message\":\"no\"}", HEALTH_UNKNOWN},
        {&gateway_waha, SESSION_ACCOUNT, 3, PURPOSE_PAIR, 4, 200, "{\"value\":\"2@x\"}", HEALTH_CODE},
        {&gateway_waha, SESSION_ACCOUNT, 5, PURPOSE_UNPAIR, 0, 404, "{\"message\":\"Cannot POST\"}", HEALTH_ILL},
        {&gateway_webjs, SESSION_ACCOUNT, 4, PURPOSE_PAIR, 4, 200, "{\"success\":true,\"qr\":\"2@x\"}", HEALTH_CODE},
        {&gateway_webjs, SESSION_ACCOUNT, 5, PURPOSE_UNPAIR, 0, 200, "{\"success\":false}", HEALTH_UNKNOWN},
        {&gateway_wppconnect, SESSION_ACCOUNT, 1, PURPOSE_PAIR, 0, 200, "{\"status\":\"QRCODE\",\"urlcode\":\"2@x\"}", HEALTH_CODE},
        {&gateway_wppconnect, SESSION_ACCOUNT, 5, PURPOSE_UNPAIR, 0, 200, "{\"status\":false}", HEALTH_UNKNOWN},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        _cleanup_(json_freep) struct json *doc = parsed(rows[i].account);

        given.gateway = rows[i].gateway;
        given.sender = (struct sender) {.name = "s", .base_url = "http://127.0.0.1:3000", .secret = SECRET, .account = json_root(doc)};
        given.reply = reply_of(rows[i].status, rows[i].body);
        asked.purpose = rows[i].purpose;
        asked.step = rows[i].step;
        asked.kind = rows[i].kind;
        assert_true(fail_each_allocation(try_health, 0) > 1);
        asked.purpose = PURPOSE_PAIR;
        asked.step = rows[i].question;
        assert_true(fail_each_allocation(try_question, -ENOMEM) >= 2);
    }
}

static int try_qr(void) {
    _cleanup_(qr_freep) struct qr *qr = NULL;

    return qr_new(LONG_TEXT, &qr);
}

static void test_qr(void **state) {
    assert_true(fail_each_allocation(try_qr, -ENOMEM) >= 2);
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

static struct {
    int (*read_receipts)(const struct json_value *, receipt_fn, void *);
    int (*read_notices)(const struct json_value *, notice_fn, void *); /* NULL: it has none */
    const struct json_value *document;
} webhook;

static int try_webhook(void) {
    struct batch batch;
    int r;

    batch_init(&batch);
    r = webhook.read_receipts(webhook.document, add_receipt, &batch);
    if (r >= 0 && webhook.read_notices)
        r = webhook.read_notices(webhook.document, add_notice, &batch);
    if (r >= 0)
        r = batch_close(&batch);
    batch_done(&batch);
    return r;
}

static void test_receipts(void **state) {
    static const struct {
        int (*read_receipts)(const struct json_value *, receipt_fn, void *);
        int (*read_notices)(const struct json_value *, notice_fn, void *);
        const char *text;
    } cases[] = {
        {receipt_read_cloud, notice_read_cloud,
         "{\"entry\":[{\"changes\":[{\"field\":\"messages\",\"value\":{\"metadata\":{\"phone_number_id\":\"1\"},\"statuses\":["
         "{\"id\":\"w\",\"status\":\"failed\",\"biz_opaque_callback_data\":\"1.2\",\"errors\":[{\"code\":1,\"title\":\"t\","
         "\"error_data\":{\"details\":\"" LONG_TEXT "\"}}]},{\"id\":\"w\",\"status\":\"read\"}],"
         "\"messages\":[{\"from\":\"8801712345678\",\"type\":\"text\",\"text\":{\"body\":\"stop\"}}]}}]}]}"},
        {receipt_read_evolution, notice_read_evolution,
         "{\"event\":\"messages.update\",\"instance\":\"a\",\"data\":{\"keyId\":\"" LONG_TEXT "\",\"status\":\"ERROR\"}}"},
        {receipt_read_waha, notice_read_waha,
         "{\"event\":\"message.ack\",\"session\":\"a\",\"payload\":{\"id\":\"" LONG_TEXT "\",\"ack\":-1}}"},
        {receipt_read_webjs, notice_read_webjs,
         "{\"dataType\":\"message_ack\",\"sessionId\":\"a\",\"data\":{\"ack\":-1,\"message\":{\"id\":{\"_serialized\":\"" LONG_TEXT
         "\"}}}}"},
        {receipt_read_wppconnect, notice_read_wppconnect,
         "{\"event\":\"onack\",\"session\":\"a\",\"id\":\"" LONG_TEXT "\",\"ack\":-2}"},
        {receipt_read_wppconnect, notice_read_wppconnect,
         "{\"event\":\"onmessage\",\"session\":\"a\",\"type\":\"chat\",\"body\":\"stop\",\"from\":\"8801712345678@c.us\"}"},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_(json_freep) struct json *doc = parsed(cases[i].text);

        webhook.read_receipts = cases[i].read_receipts;
        webhook.read_notices = cases[i].read_notices;
        webhook.document = json_root(doc);
        assert_true(fail_each_allocation(try_webhook, -ENOMEM) >= 5);
    }
}

#define CALLBACK "AccountSid=AC" SID "&MessageSid=SM" SID "&MessageStatus=undelivered&ErrorCode=63016"

static int try_callback(void) {
    _cleanup_(form_freep) struct form *form = NULL;
    struct batch batch;
    int r = form_parse(CALLBACK, strlen(CALLBACK), &form);

    batch_init(&batch);
    if (r >= 0)
        r = receipt_read_twilio(form, "12.34", add_receipt, &batch);
    if (r >= 0)
        r = batch_close(&batch);
    batch_done(&batch);
    return r;
}

static void test_callbacks_of_twilio(void **state) {
    assert_true(fail_each_allocation(try_callback, -ENOMEM) >= 5);
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
static void check_signature(int (*check)(const char *, const char *, const char *, size_t), const char *right, const char *wrong) {
    unsigned failures = 0;

    assert_int_equal(check(right, "key", "body", 4), 1); /* what libcrypto makes once, it makes now */
    for (long n = 0; allocations_left < 0; n++) {
        int r;

        allocations_left = n;
        r = check(n % 2 == 0 ? right : wrong, "key", "body", 4);
        assert_true(r == (n % 2 == 0) || r == -ENOMEM || r == -EIO);
        failures += r < 0;
    }
    allocations_left = -1;
    assert_true(failures > 5);
}

static void test_signature_of_twilio(void **state) {
    _cleanup_(form_freep) struct form *form = NULL;
    char right[TWILIO_SIGNATURE_BYTES], signature[TWILIO_SIGNATURE_BYTES];
    unsigned failures = 0;

    assert_int_equal(form_parse(CALLBACK, strlen(CALLBACK), &form), 0);
    assert_int_equal(twilio_sign("token", "https://x.example/t?id=12.34", form, right), 0);
    for (long n = 0; allocations_left < 0; n++) {
        int r;

        allocations_left = n;
        r = twilio_sign("token", "https://x.example/t?id=12.34", form, signature);
        assert_true((r == 0 && strcmp(signature, right) == 0) || r == -ENOMEM || r == -EIO);
        failures += r < 0;
    }
    allocations_left = -1;
    assert_true(failures > 5);
}

#define ZEROS "00000000000000000000000000000000"

static void test_signature(void **state) {
    check_signature(signature_check, "sha256=515aae133b435d4000956731f68ae5cf5eb85d4f0dc6a546d2bfcd3595ec1ae1",
                    "sha256=" ZEROS ZEROS);
    check_signature(signature_check_sha512,
                    "b71e82b42ece244182aae00f5c418d84b5b0ac844874765e658e91b26261b32d"
                    "f39e9fcbf44424d0e3b53bab192e78a4936224ec940cf953164b70aacdd4c845",
                    ZEROS ZEROS ZEROS ZEROS);
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
        cmocka_unit_test(test_media),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_pairing),
        cmocka_unit_test(test_qr),
        cmocka_unit_test(test_pieces_of_gateways),
        cmocka_unit_test(test_receipts),
        cmocka_unit_test(test_callbacks_of_twilio),
        cmocka_unit_test(test_signature),
        cmocka_unit_test(test_signature_of_twilio),
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
