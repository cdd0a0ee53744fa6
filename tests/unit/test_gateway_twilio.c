/* Twilio: the request, and one test for each row of what its answers mean. */
#include "gateway_fixture.h"

#include <errno.h>

#include "gateway/twilio_callback.h"
#include "gateway/twilio_table.h"

#define ACCOUNT_SID "AC0123456789abcdef0123456789abcdef"
#define KEY_SID "SK0123456789abcdef0123456789abcdef"
#define SERVICE_SID "MG0123456789abcdef0123456789abcdef"
#define CONTENT_SID "HX0123456789abcdef0123456789abcdef"
#define MESSAGE_SID "SM0123456789abcdef0123456789abcdef"
#define ACCOUNT "{\"account_sid\":\"" ACCOUNT_SID "\",\"from\":\"whatsapp:+14155238886\"}"
#define SMS_ACCOUNT "{\"account_sid\":\"" ACCOUNT_SID "\",\"from\":\"+14155238886\"}"
#define ERROR(code, status) "{\"code\":" #code ",\"message\":\"Oh " NUMBER "\",\"more_info\":\"https://x/" #code "\",\"status\":" #status "}"
#define PAGE "<html><body>Bad</body></html>"

/* name, HTTP status, code, outcome, a part of the reason. */
#define REFUSED(code, status, ...) {"code " #code, status, ERROR(code, status), __VA_ARGS__}

static const struct answer_row rows[] = {
    {"queued", 201, "{\"sid\":\"" MESSAGE_SID "\",\"status\":\"queued\",\"error_code\":null}", ACCEPTED, NULL},
    {"accepted", 201, "{\"sid\":\"" MESSAGE_SID "\",\"status\":\"accepted\"}", ACCEPTED, NULL},
    {"sent at once", 200, "{\"sid\":\"" MESSAGE_SID "\",\"status\":\"sent\"}", ACCEPTED, NULL},
    {"no sid", 201, "{\"status\":\"queued\"}", IN_DOUBT, "no message's sid"},
    {"no status", 201, "{\"sid\":\"" MESSAGE_SID "\"}", IN_DOUBT, "no message's sid and status"},
    {"the sid of something else", 201, "{\"sid\":\"" ACCOUNT_SID "\",\"status\":\"queued\"}", IN_DOUBT, "no message's sid"},
    {"a short sid", 201, "{\"sid\":\"SM0123\",\"status\":\"queued\"}", IN_DOUBT, "no message's sid"},
    {"a long sid", 201, "{\"sid\":\"" MESSAGE_SID "0\",\"status\":\"queued\"}", IN_DOUBT, "no message's sid"},
    {"an empty 201", 201, "", IN_DOUBT, "it is empty"},
    {"a page", 200, PAGE, IN_DOUBT, "can't be understood"},
    {"an error that says success", 200, ERROR(21211, 400), IN_DOUBT, "can't be understood"},
    {"failed at once", 201, "{\"sid\":\"" MESSAGE_SID "\",\"status\":\"failed\",\"error_code\":63003,\"error_message\":\"No " NUMBER "\"}",
     REJECTED, "not on WhatsApp (HTTP 201, code 63003): No […]"},
    {"failed at once for want of room", 201, "{\"sid\":\"" MESSAGE_SID "\",\"status\":\"failed\",\"error_code\":30001}",
     WAITS(SENDER, WAIT_BY_BACKOFF), "queue is full"},
    {"undelivered without a code", 201, "{\"sid\":\"" MESSAGE_SID "\",\"status\":\"undelivered\",\"error_code\":null}", REJECTED,
     "had failed at once"},
    {"canceled with an unknown code", 201, "{\"sid\":\"" MESSAGE_SID "\",\"status\":\"canceled\",\"error_code\":39999}", REJECTED,
     "had failed at once (HTTP 201, code 39999)"},
    REFUSED(20003, 401, WAITS(SENDER, 60), "renew it"),
    REFUSED(20005, 403, WAITS(SENDER, 21600), "not active"),
    REFUSED(20006, 403, WAITS(SENDER, 60), "access denied"),
    REFUSED(20008, 403, WAITS(SENDER, 600), "test credentials"),
    REFUSED(20403, 403, WAITS(SENDER, 60), "access denied"),
    REFUSED(20404, 404, WAITS(SENDER, 600), "account_sid"),
    REFUSED(30002, 400, WAITS(SENDER, 21600), "suspended"),
    REFUSED(63051, 400, WAITS(SENDER, 21600), "locked"),
    REFUSED(20429, 429, WAITS(SENDER, WAIT_BY_BACKOFF), "too many requests"),
    REFUSED(14107, 400, WAITS(SENDER, WAIT_BY_BACKOFF), "rate limit"),
    REFUSED(21611, 400, WAITS(SENDER, WAIT_BY_BACKOFF), "queue is full"),
    REFUSED(30001, 400, WAITS(SENDER, WAIT_BY_BACKOFF), "queue is full"),
    REFUSED(30022, 400, WAITS(SENDER, 60), "rate limit"),
    REFUSED(30023, 400, WAITS(SENDER, 21600), "daily limit"),
    REFUSED(63018, 400, WAITS(SENDER, 60), "rate limit"),
    REFUSED(63038, 400, WAITS(SENDER, 21600), "daily limit"),
    REFUSED(21212, 400, WAITS(SENDER, 600), "account.from"),
    REFUSED(21603, 400, WAITS(SENDER, 600), "account.from"),
    REFUSED(21606, 400, WAITS(SENDER, 600), "account.from"),
    REFUSED(21609, 400, WAITS(SENDER, 600), "status_callback"),
    REFUSED(21659, 400, WAITS(SENDER, 600), "account.from"),
    REFUSED(21660, 400, WAITS(SENDER, 600), "account.from"),
    REFUSED(21661, 400, WAITS(SENDER, 600), "account.from"),
    REFUSED(21701, 400, WAITS(SENDER, 600), "messaging service"),
    REFUSED(21703, 400, WAITS(SENDER, 600), "messaging service"),
    REFUSED(21704, 400, WAITS(SENDER, 600), "messaging service"),
    REFUSED(21705, 400, WAITS(SENDER, 600), "messaging service"),
    REFUSED(30024, 400, WAITS(SENDER, 600), "provisioned"),
    REFUSED(30032, 400, WAITS(SENDER, 600), "verify it"),
    REFUSED(30034, 400, WAITS(SENDER, 600), "10DLC"),
    REFUSED(63001, 400, WAITS(SENDER, 600), "channel"),
    REFUSED(63002, 400, WAITS(SENDER, 600), "channel"),
    REFUSED(63007, 400, WAITS(SENDER, 600), "account.from"),
    REFUSED(63008, 400, WAITS(SENDER, 600), "account.from"),
    REFUSED(63020, 400, WAITS(SENDER, 600), "business account"),
    REFUSED(63022, 400, WAITS(SENDER, 600), "certificate"),
    REFUSED(21408, 400, WAITS(RECIPIENT, 3600), "Geo Permissions"),
    REFUSED(21608, 400, WAITS(RECIPIENT, 3600), "trial account"),
    REFUSED(63015, 400, WAITS(RECIPIENT, 3600), "sandbox"),
    REFUSED(20500, 500, AGAIN, "an error at Twilio"),
    REFUSED(20503, 503, AGAIN, "unavailable"),
    REFUSED(30003, 400, AGAIN, "can't be reached"),
    REFUSED(30008, 400, AGAIN, "unknown error"),
    REFUSED(30410, 400, AGAIN, "in time"),
    REFUSED(63009, 400, AGAIN, "error of the channel"),
    REFUSED(63010, 400, AGAIN, "error of the channel"),
    REFUSED(63012, 400, AGAIN, "internal error of the channel"),
    REFUSED(21211, 400, REJECTED, "the recipient's number is not valid (HTTP 400, code 21211): Oh […]"),
    REFUSED(21217, 400, REJECTED, "not valid"),
    REFUSED(21604, 400, REJECTED, "missing"),
    REFUSED(21610, 400, OPTED_OUT, "STOP"),
    REFUSED(21612, 400, REJECTED, "from this number"),
    REFUSED(21614, 400, REJECTED, "no mobile"),
    REFUSED(30004, 400, REJECTED, "blocks"),
    REFUSED(30005, 400, REJECTED, "unknown"),
    REFUSED(30006, 400, REJECTED, "landline"),
    REFUSED(63003, 400, REJECTED, "not on WhatsApp"),
    REFUSED(63014, 400, REJECTED, "blocks"),
    REFUSED(63024, 400, REJECTED, "from this sender"),
    REFUSED(63031, 400, REJECTED, "own number"),
    REFUSED(63032, 400, REJECTED, "experiment"),
    REFUSED(63033, 400, REJECTED, "from this sender"),
    REFUSED(63049, 400, REJECTED, "withheld"),
    REFUSED(21602, 400, REJECTED, "text is missing"),
    REFUSED(21605, 400, REJECTED, "too long"),
    REFUSED(21617, 400, REJECTED, "1600"),
    REFUSED(21619, 400, REJECTED, "text is missing"),
    REFUSED(30007, 400, REJECTED, "filtered"),
    REFUSED(30010, 400, REJECTED, "price"),
    REFUSED(63005, 400, REJECTED, "content"),
    REFUSED(63006, 400, REJECTED, "content"),
    REFUSED(63013, 400, REJECTED, "rules"),
    REFUSED(63016, 400, REJECTED, "send it as a template"),
    REFUSED(63019, 400, REJECTED, "media"),
    REFUSED(63021, 400, REJECTED, "1024"),
    REFUSED(21654, 400, REJECTED, "ContentSid"),
    REFUSED(21655, 400, REJECTED, "gateway_name"),
    REFUSED(21656, 400, REJECTED, "parameters"),
    REFUSED(63027, 400, REJECTED, "language"),
    REFUSED(63028, 400, REJECTED, "number of parameters"),
    REFUSED(63029, 400, REJECTED, "template"),
    REFUSED(63030, 400, REJECTED, "template"),
    REFUSED(63040, 400, REJECTED, "rejected the template"),
    REFUSED(63041, 400, WAITS(TEMPLATE, 3600), "paused"),
    REFUSED(63042, 400, REJECTED, "disabled"),
    REFUSED(29999, 400, AGAIN, "not documented"),
    REFUSED(29999, 500, AGAIN, "a fault at Twilio"),
    REFUSED(29999, 502, AGAIN, "a fault at Twilio"),
    REFUSED(29999, 401, WAITS(SENDER, 60), "credential"),
    REFUSED(29999, 403, WAITS(SENDER, 60), "not permitted"),
    REFUSED(29999, 404, WAITS(SENDER, 600), "not found"),
    REFUSED(29999, 429, WAITS(SENDER, WAIT_BY_BACKOFF), "too many requests"),
    REFUSED(29999, 301, WAITS(SENDER, 600), "redirected"),
    REFUSED(29999, 101, IN_DOUBT, NULL),
    {"wordless 502", 502, PAGE, IN_DOUBT, "proxy"},
    {"wordless 504", 504, PAGE, IN_DOUBT, "proxy"},
    {"wordless 520", 520, "", IN_DOUBT, "on the way"},
    {"wordless 524", 524, "", IN_DOUBT, "on the way"},
    {"wordless 500", 500, "", IN_DOUBT, "on the way"},
    {"wordless 503", 503, PAGE, IN_DOUBT, "on the way"},
    {"wordless 401", 401, "", WAITS(SENDER, 60), "credential"},
    {"wordless 403", 403, PAGE, WAITS(SENDER, 60), "base_url"},
    {"wordless 407", 407, "", WAITS(SENDER, 600), "log-in"},
    {"wordless 408", 408, "", AGAIN, "in time"},
    {"wordless 413", 413, PAGE, REJECTED, "too large"},
    {"wordless 429", 429, "", WAITS(SENDER, WAIT_BY_BACKOFF), "too many"},
    {"wordless 400", 400, PAGE, WAITS(SENDER, 600), "not Twilio's answer"},
    {"wordless 404", 404, "{\"message\":\"no\"}", WAITS(SENDER, 600), "not Twilio's answer"},
    {"a code that is none", 404, "{\"code\":\"x\"}", WAITS(SENDER, 600), "not Twilio's answer"},
    {"code 0", 400, "{\"code\":0}", WAITS(SENDER, 600), "not Twilio's answer"},
    {"wordless redirect", 302, "", WAITS(SENDER, 600), "base_url"},
    {"101", 101, "", IN_DOUBT, NULL},
};

static void test_answer(void **state) {
    const struct answer_row *row = *state;
    struct sender sender = {.name = "main", .base_url = "", .secret = SECRET};
    struct message message = message_to(NUMBER, BODY);
    struct reply reply = reply_of(row->status, row->body);
    _cleanup_(json_freep) struct json *template = parsed("{}");
    struct outcome o;

    message.template = json_root(template);
    gateway_outcome(&gateway_twilio, &sender, &message, &reply, &o);
    assert_outcome(&o, row->kind, row->scope, row->wait_sec, row->reason_holds);
    assert_int_equal(o.status, row->status);
    if (row->kind == OUTCOME_ACCEPTED)
        assert_string_equal(o.message_id, MESSAGE_SID);
}

static void test_retry_after(void **state) {
    struct sender sender = {.name = "main", .base_url = "", .secret = SECRET};
    struct message message = message_to(NUMBER, BODY);
    struct reply reply = reply_of(429, ERROR(20429, 429));
    struct outcome o;

    reply.retry_after_sec = 7;
    gateway_outcome(&gateway_twilio, &sender, &message, &reply, &o);
    assert_outcome(&o, WAITS(SENDER, 7), "too many requests");
}

static void test_hostile_replies(void **state) {
    static const char *const replies[] = {
        "[]", "null", "\"\"", "{\"sid\":{},\"status\":\"queued\"}", "{\"sid\":[\"" MESSAGE_SID "\"],\"status\":[]}",
        "{\"sid\":\"" MESSAGE_SID "\",\"status\":{}}", "{\"code\":99999999999999999999,\"message\":\"" SECRET "\"}",
        "{\"code\":-1,\"message\":\"" NUMBER " " BODY "\"}", "{\"code\":[],\"message\":{}}",
    };
    struct sender sender = {.name = "main", .base_url = "", .secret = SECRET};
    struct message message = message_to(NUMBER, BODY);

    survive_hostile_replies(&gateway_twilio, &sender, &message, replies, ELEMENTSOF(replies), 0);
}

static int request_for(const char *base_url, const char *account, const char *secret, const struct message *message,
                       struct request *request, struct outcome *outcome) {
    _cleanup_(json_freep) struct json *doc = parsed(account);
    struct sender sender = {.name = "main", .base_url = base_url, .account = json_root(doc), .secret = secret};

    memset(outcome, 0, sizeof(*outcome));
    request_init(request);
    return gateway_twilio.request(&sender, message, request, outcome);
}

static void assert_form(const char *account, const struct message *message, const char *expected) {
    struct request request;
    struct outcome o;

    if (request_for("", account, SECRET, message, &request, &o) != 1)
        fail_msg("refused: %s", o.reason);
    assert_string_equal(buf_string(&request.body), expected);
    request_done(&request);
}

static void test_whatsapp(void **state) {
    struct message message = message_to(NUMBER, "Say \"hi\" & more\n€");
    struct request request;
    struct outcome o;

    assert_int_equal(request_for("", ACCOUNT, "token", &message, &request, &o), 1);
    assert_string_equal(request.method, "POST");
    assert_string_equal(buf_string(&request.url), "https://api.twilio.com/2010-04-01/Accounts/" ACCOUNT_SID "/Messages.json");
    assert_string_equal(header_of(&request, "Authorization"),
                        "Basic QUMwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjp0b2tlbg==");
    assert_string_equal(header_of(&request, "Content-Type"), "application/x-www-form-urlencoded");
    assert_int_equal(request.header_count, 2);
    assert_string_equal(buf_string(&request.body), "To=whatsapp%3A%2B8801712345678&From=whatsapp%3A%2B14155238886&"
                                                   "Body=Say+%22hi%22+%26+more%0A%E2%82%AC");
    request_done(&request);
}

static void test_an_api_key_and_another_address(void **state) {
    struct message message = message_to(NUMBER, "x");
    struct request request;
    struct outcome o;

    assert_int_equal(request_for("http://127.0.0.1:8025/", "{\"account_sid\":\"" ACCOUNT_SID "\",\"api_key_sid\":\"" KEY_SID
                                 "\",\"from\":\"+14155238886\"}", "a:b", &message, &request, &o), 1);
    assert_string_equal(buf_string(&request.url), "http://127.0.0.1:8025/2010-04-01/Accounts/" ACCOUNT_SID "/Messages.json");
    assert_string_equal(header_of(&request, "Authorization"), "Basic U0swMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjphOmI=");
    request_done(&request);
}

static void test_sms_and_messaging_services(void **state) {
    struct message message = message_to(NUMBER, "x");

    assert_form(SMS_ACCOUNT, &message, "To=%2B8801712345678&From=%2B14155238886&Body=x");
    assert_form("{\"account_sid\":\"" ACCOUNT_SID "\",\"from\":\"Water Co\"}", &message, "To=%2B8801712345678&From=Water+Co&Body=x");
    assert_form("{\"account_sid\":\"" ACCOUNT_SID "\",\"from\":\"12345\",\"kind\":\"sms\"}", &message,
                "To=%2B8801712345678&From=12345&Body=x");
    assert_form("{\"account_sid\":\"" ACCOUNT_SID "\",\"messaging_service_sid\":\"" SERVICE_SID "\",\"kind\":\"sms\"}", &message,
                "To=%2B8801712345678&MessagingServiceSid=" SERVICE_SID "&Body=x");
    assert_form("{\"account_sid\":\"" ACCOUNT_SID "\",\"messaging_service_sid\":\"" SERVICE_SID "\",\"kind\":\"whatsapp\"}", &message,
                "To=whatsapp%3A%2B8801712345678&MessagingServiceSid=" SERVICE_SID "&Body=x");
}

static void test_callback(void **state) {
    struct message message = message_to(NUMBER, "x");

    assert_form("{\"account_sid\":\"" ACCOUNT_SID "\",\"from\":\"+14155238886\",\"status_callback\":\"https://x.org/twilio\"}", &message,
                "To=%2B8801712345678&From=%2B14155238886&Body=x&StatusCallback=https%3A%2F%2Fx.org%2Ftwilio%3Fid%3D12.34");
    assert_form("{\"account_sid\":\"" ACCOUNT_SID "\",\"from\":\"+14155238886\",\"status_callback\":\"https://x.org/t?a=b\"}", &message,
                "To=%2B8801712345678&From=%2B14155238886&Body=x&StatusCallback=https%3A%2F%2Fx.org%2Ft%3Fa%3Db%26id%3D12.34");
}

static void test_templates(void **state) {
    _cleanup_(json_freep) struct json *positional = parsed("{\"name\":\"" CONTENT_SID "\",\"language\":\"en\",\"parameters\":"
                                                           "[{\"text\":\"12\"},{\"text\":\"a\\n\\tb\"}]}");
    _cleanup_(json_freep) struct json *named = parsed("{\"name\":\"" CONTENT_SID "\",\"parameters\":[{\"name\":\"who\",\"text\":\"x\"}]}");
    _cleanup_(json_freep) struct json *bare = parsed("{\"name\":\"" CONTENT_SID "\",\"parameters\":[]}");
    _cleanup_(json_freep) struct json *empty = parsed("{\"name\":\"" CONTENT_SID "\",\"parameters\":[{\"text\":\" \"}]}");
    _cleanup_(json_freep) struct json *others = parsed("{\"name\":\"meter_stuck\",\"language\":\"en\"}");
    struct message message = message_to(NUMBER, "body");
    struct request request;
    struct outcome o;

    message.template = json_root(positional);
    assert_form(ACCOUNT, &message, "To=whatsapp%3A%2B8801712345678&From=whatsapp%3A%2B14155238886&ContentSid=" CONTENT_SID
                "&ContentVariables=%7B%221%22%3A%2212%22%2C%222%22%3A%22a+b%22%7D");
    message.template = json_root(named);
    assert_form(SMS_ACCOUNT, &message, "To=%2B8801712345678&From=%2B14155238886&ContentSid=" CONTENT_SID
                "&ContentVariables=%7B%22who%22%3A%22x%22%7D");
    message.template = json_root(bare);
    assert_form(SMS_ACCOUNT, &message, "To=%2B8801712345678&From=%2B14155238886&ContentSid=" CONTENT_SID);
    message.template = json_root(empty);
    assert_int_equal(request_for("", ACCOUNT, SECRET, &message, &request, &o), 0);
    assert_outcome(&o, REJECTED, "template parameter 1 is empty");
    request_done(&request);
    message.template = json_root(others); /* the Cloud API's name for it means nothing here; its text may go as SMS */
    assert_form(SMS_ACCOUNT, &message, "To=%2B8801712345678&From=%2B14155238886&Body=body");
    assert_int_equal(request_for("", ACCOUNT, SECRET, &message, &request, &o), 0);
    assert_outcome(&o, REJECTED, "no ContentSid");
    request_done(&request);
}

static void test_template_bounds(void **state) {
    static char text[2048 + 64 * 101];
    struct message message = message_to(NUMBER, "");
    struct request request;
    struct outcome o;

    (void) snprintf(text, sizeof(text), "{\"name\":\"" CONTENT_SID "\",\"parameters\":[{\"text\":\"%01601d\"}]}", 1);
    {
        _cleanup_(json_freep) struct json *template = parsed(text);

        message.template = json_root(template);
        assert_int_equal(request_for("", ACCOUNT, SECRET, &message, &request, &o), 0);
        assert_outcome(&o, REJECTED, "template parameter 1 is longer than 1600");
        request_done(&request);
    }
    char *end = stpcpy(text, "{\"name\":\"" CONTENT_SID "\",\"parameters\":[{\"text\":\"x\"}");
    for (int i = 0; i < 100; i++)
        end = stpcpy(end, ",{\"text\":\"x\"}");
    (void) stpcpy(end, "]}");
    _cleanup_(json_freep) struct json *template = parsed(text);

    message.template = json_root(template);
    assert_int_equal(request_for("", ACCOUNT, SECRET, &message, &request, &o), 0);
    assert_outcome(&o, REJECTED, "template parameter 101");
    request_done(&request);
}

static void assert_refused(const struct message *message, const char *reason_holds) {
    struct request request;
    struct outcome o;

    assert_int_equal(request_for("", ACCOUNT, SECRET, message, &request, &o), 0);
    assert_outcome(&o, REJECTED, reason_holds);
    request_done(&request);
}

static void test_refused(void **state) {
    static char body[1602 * 3];
    struct message message = message_to("120363041234567890@g.us", "x");
    struct request request;
    struct outcome o;

    assert_refused(&message, "no groups");
    message = message_to(NUMBER " ", "x");
    assert_refused(&message, "E.164");
    message = message_to("+", "x");
    assert_refused(&message, "E.164");
    message = message_to(NUMBER, " \n");
    assert_refused(&message, "empty");
    for (int i = 0; i < 1601; i++)
        memcpy(body + 3 * i, "€", 3);
    message.body = body;
    assert_refused(&message, "1601 characters, and Twilio takes 1600");
    body[4800] = '\0';
    assert_int_equal(request_for("", ACCOUNT, SECRET, &message, &request, &o), 1);
    request_done(&request);
}

static void assert_incomplete(const char *base_url, const char *account, const char *secret, const char *what) {
    _cleanup_(json_freep) struct json *doc = parsed(account);
    struct sender sender = {.name = "main", .base_url = base_url, .account = json_root(doc), .secret = secret};
    _cleanup_(buf_done) struct buf fault = BUF_MAX(4096);
    struct message message = message_to(NUMBER, BODY);
    struct request request;
    struct outcome o;

    assert_int_equal(gateway_twilio.check(&sender, &fault), -EINVAL);
    if (!strstr(buf_string(&fault), what))
        fail_msg("not \"%s\" in: %s", what, buf_string(&fault));
    assert_int_equal(request_for(base_url, account, secret, &message, &request, &o), 0);
    assert_outcome(&o, WAITS(SENDER, 60), what);
    request_done(&request);
}

#define WITH(members) "{\"account_sid\":\"" ACCOUNT_SID "\"," members "}"

static void test_check(void **state) {
    static const char *const froms[] = {"", "+1", "whatsapp:", "whatsapp:14155238886", "12", "123456789", "A name that is long", "+name",
                                        "a\\nb", "whatsapp:+14155238886,+1", " "};
    _cleanup_(json_freep) struct json *doc = parsed(ACCOUNT);
    struct sender sender = {.name = "main", .base_url = "", .account = json_root(doc), .secret = SECRET};
    _cleanup_(buf_done) struct buf fault = BUF_MAX(4096);

    assert_int_equal(gateway_twilio.check(&sender, &fault), 0);
    assert_string_equal(buf_string(&fault), "");
    for (size_t i = 0; i < ELEMENTSOF(froms); i++) {
        char account[256];

        (void) snprintf(account, sizeof(account), WITH("\"from\":\"%s\""), froms[i]);
        assert_incomplete("", account, SECRET, "\"from\" is not a sender");
    }
    assert_incomplete("", "{}", SECRET, "\"account_sid\" is missing");
    assert_incomplete("", "{\"account_sid\":\"AC1\"}", SECRET, "not an account's SID");
    assert_incomplete("", "{\"account_sid\":\"AC0123456789abcdef0123456789abcde/\"}", SECRET, "not an account's SID");
    assert_incomplete("", WITH("\"x\":1"), SECRET, "has neither");
    assert_incomplete("", WITH("\"from\":\"+14155238886\",\"messaging_service_sid\":\"" SERVICE_SID "\""), SECRET, "has both");
    assert_incomplete("", WITH("\"messaging_service_sid\":\"MG\",\"kind\":\"sms\""), SECRET, "MG and 32");
    assert_incomplete("", WITH("\"messaging_service_sid\":\"" SERVICE_SID "\""), SECRET, "goes \"kind\"");
    assert_incomplete("", WITH("\"messaging_service_sid\":\"" SERVICE_SID "\",\"kind\":\"fax\""), SECRET, "goes \"kind\"");
    assert_incomplete("", WITH("\"from\":\"+14155238886\",\"kind\":\"whatsapp\""), SECRET, "contradicts");
    assert_incomplete("", WITH("\"from\":\"+14155238886\",\"api_key_sid\":\"x\""), SECRET, "SK and 32");
    assert_incomplete("", WITH("\"from\":\"+14155238886\",\"status_callback\":7"), SECRET, "status_callback");
    assert_incomplete("", WITH("\"from\":\"+14155238886\",\"status_callback\":{}"), SECRET, "is no text");
    assert_incomplete("", WITH("\"from\":\"+14155238886\",\"status_callback\":\"ftp://x\""), SECRET, "doesn't begin with");
    assert_incomplete("http://u:p@x", ACCOUNT, SECRET, "user name");
    assert_incomplete("https://x/?a", ACCOUNT, SECRET, "query");
    assert_incomplete("", ACCOUNT, NULL, "no auth token");
    assert_incomplete("", ACCOUNT, "", "no auth token");
    assert_incomplete("", ACCOUNT, "a\nb", "control character");
}

/* The signature is over the URL and the fields in the order of their names. */
static void test_signature(void **state) {
    _cleanup_(form_freep) struct form *form = NULL;
    char signature[TWILIO_SIGNATURE_BYTES];
    const char *text = "To=%2B18005551212&CallSid=CA1234567890ABCDE&Digits=1234&From=%2B14158675310&Caller=%2B14158675310";

    /* The example of Twilio's own documentation. */
    assert_int_equal(form_parse(text, strlen(text), &form), 0);
    assert_int_equal(twilio_sign("12345", "https://example.com/myapp.php?foo=1&bar=2", form, signature), 0);
    assert_string_equal(signature, "L/OH5YylLD5NRKLltdqwSvS0BnU=");
}

static void test_meanings(void **state) {
    assert_string_equal(twilio_meaning(63003), "the recipient is not on WhatsApp");
    assert_null(twilio_meaning(1));
    assert_null(twilio_meaning(0));
    assert_null(twilio_meaning(OUTCOME_CODE_NONE));
}

int main(void) {
    const struct CMUnitTest others[] = {
        cmocka_unit_test(test_retry_after), cmocka_unit_test(test_hostile_replies), cmocka_unit_test(test_whatsapp),
        cmocka_unit_test(test_an_api_key_and_another_address), cmocka_unit_test(test_sms_and_messaging_services),
        cmocka_unit_test(test_callback), cmocka_unit_test(test_templates), cmocka_unit_test(test_template_bounds),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_check), cmocka_unit_test(test_signature),
        cmocka_unit_test(test_meanings),
    };
    static struct CMUnitTest tests[ELEMENTSOF(rows) + ELEMENTSOF(others)];

    for (size_t i = 0; i < ELEMENTSOF(rows); i++)
        tests[i] = (struct CMUnitTest) {.name = rows[i].name, .test_func = test_answer, .initial_state = (void *) &rows[i]};
    memcpy(tests + ELEMENTSOF(rows), others, sizeof(others));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
