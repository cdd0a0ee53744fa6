/* Media through each gateway: the requests, byte by byte, and what is refused before anything leaves. */
#include "gateway_fixture.h"

#include <errno.h>

#include "gateway/media.h"

#define SID "0123456789abcdef0123456789abcdef"
#define JPEG "{\"type\":\"image\",\"url\":\"https://x.example/a%20b.jpg?v=1\"}"
#define VIDEO "{\"type\":\"video\",\"url\":\"https://x.example/v.mp4\",\"filename\":\"pump.mp4\"}"
#define AUDIO "{\"type\":\"audio\",\"url\":\"https://x.example/a.mp3\"}"
#define PDF "{\"type\":\"document\",\"url\":\"https://x.example/d/r%C3%A9port.pdf\"}"
#define NAMED "{\"type\":\"document\",\"url\":\"https://x.example/get?id=7\",\"filename\":\"May \\\"26\\\".xlsx\"}"

enum account { CLOUD, EVOLUTION, MAIL, SMS, TWILIO, WAHA, WEBHOOK, WEBHOOK_MEDIA, WEBJS, WPPCONNECT, ACCOUNTS };

static const struct {
    const struct gateway *gateway;
    const char *base_url, *account;
} accounts[ACCOUNTS] = {
    [CLOUD] = {&gateway_cloud, "", "{\"phone_number_id\":\"1\"}"},
    [EVOLUTION] = {&gateway_evolution, "http://h:1", "{\"instance\":\"s\"}"},
    [MAIL] = {&gateway_smtp, "smtp://h", "{\"from\":\"a@example.org\",\"user\":\"a\"}"},
    [SMS] = {&gateway_twilio, "", "{\"account_sid\":\"AC" SID "\",\"from\":\"+14155238886\"}"},
    [TWILIO] = {&gateway_twilio, "", "{\"account_sid\":\"AC" SID "\",\"from\":\"whatsapp:+14155238886\"}"},
    [WAHA] = {&gateway_waha, "http://h:1", "{\"session\":\"s\"}"},
    [WEBHOOK] = {&gateway_webhook, "http://h:1/x", "{\"body\":{\"to\":\"{{target}}\",\"t\":\"{{body}}\",\"type\":\"{{media.type}}\","
                 "\"url\":\"{{media.url}}\",\"name\":\"{{media.filename}}\"}}"},
    [WEBHOOK_MEDIA] = {&gateway_webhook, "http://h:1", "{\"path\":\"/text\",\"body\":{\"t\":\"{{body}}\"},"
                       "\"media\":{\"path\":\"/file\",\"body\":{\"file\":\"{{media.url}}\",\"t\":\"{{body}}\"}}}"},
    [WEBJS] = {&gateway_webjs, "http://h:1", "{\"session\":\"s\"}"},
    [WPPCONNECT] = {&gateway_wppconnect, "http://h:1", "{\"session\":\"s\"}"},
};

static int request_for(enum account which, const char *target, const char *media, const char *caption, struct request *request,
                       struct outcome *outcome) {
    _cleanup_(json_freep) struct json *account = parsed(accounts[which].account), *doc = media ? parsed(media) : NULL;
    struct sender sender = {
        .name = "main", .base_url = accounts[which].base_url, .account = json_root(account), .secret = SECRET};
    struct message message = message_to(target, caption);

    message.is_group = strstr(target, "@g.us") != NULL;
    message.media = doc ? json_root(doc) : NULL;
    memset(outcome, 0, sizeof(*outcome));
    request_init(request);
    return accounts[which].gateway->request(&sender, &message, request, outcome);
}

/* --- what goes out --- */

struct row {
    const char *name;
    enum account which;
    const char *media, *caption, *url, *body;
};

#define WPP_HEAD "{\"phone\":\"8801712345678\",\"isGroup\":false,\"isNewsletter\":false,\"isLid\":false,"
#define WEBJS_HEAD "{\"chatId\":\"8801712345678@c.us\",\"contentType\":\"MessageMediaFromURL\","
#define WAHA_HEAD "{\"session\":\"s\",\"chatId\":\"8801712345678@c.us\","
#define CLOUD_HEAD "{\"messaging_product\":\"whatsapp\",\"recipient_type\":\"individual\",\"to\":\"+8801712345678\","
#define CLOUD_END "\"biz_opaque_callback_data\":\"12.34\"}"
#define CLOUD_URL "https://graph.facebook.com/v25.0/1/messages"
#define TWILIO_URL "https://api.twilio.com/2010-04-01/Accounts/AC" SID "/Messages.json"
#define TWILIO_HEAD "To=whatsapp%3A%2B8801712345678&From=whatsapp%3A%2B14155238886&"

static const struct row rows[] = {
    {"cloud image", CLOUD, JPEG, "one \"1\"", CLOUD_URL,
     CLOUD_HEAD "\"type\":\"image\",\"image\":{\"link\":\"https://x.example/a%20b.jpg?v=1\",\"caption\":\"one \\\"1\\\"\"}," CLOUD_END},
    {"cloud video", CLOUD, VIDEO, "", CLOUD_URL,
     CLOUD_HEAD "\"type\":\"video\",\"video\":{\"link\":\"https://x.example/v.mp4\"}," CLOUD_END},
    {"cloud audio", CLOUD, AUDIO, "", CLOUD_URL,
     CLOUD_HEAD "\"type\":\"audio\",\"audio\":{\"link\":\"https://x.example/a.mp3\"}," CLOUD_END},
    {"cloud document", CLOUD, PDF, "c", CLOUD_URL,
     CLOUD_HEAD "\"type\":\"document\",\"document\":{\"link\":\"https://x.example/d/r%C3%A9port.pdf\",\"caption\":\"c\","
                "\"filename\":\"réport.pdf\"}," CLOUD_END},
    {"cloud named document", CLOUD, NAMED, "", CLOUD_URL,
     CLOUD_HEAD "\"type\":\"document\",\"document\":{\"link\":\"https://x.example/get?id=7\",\"filename\":\"May \\\"26\\\".xlsx\"},"
                CLOUD_END},
    {"wppconnect image", WPPCONNECT, JPEG, "one", "http://h:1/api/s/send-image",
     WPP_HEAD "\"path\":\"https://x.example/a%20b.jpg?v=1\",\"caption\":\"one\",\"options\":{\"type\":\"image\"}}"},
    {"wppconnect video", WPPCONNECT, VIDEO, "", "http://h:1/api/s/send-file",
     WPP_HEAD "\"path\":\"https://x.example/v.mp4\",\"filename\":\"pump.mp4\",\"options\":{\"type\":\"video\"}}"},
    {"wppconnect audio", WPPCONNECT, AUDIO, "", "http://h:1/api/s/send-file",
     WPP_HEAD "\"path\":\"https://x.example/a.mp3\",\"options\":{\"type\":\"audio\"}}"},
    {"wppconnect document", WPPCONNECT, PDF, "c", "http://h:1/api/s/send-file",
     WPP_HEAD "\"path\":\"https://x.example/d/r%C3%A9port.pdf\",\"filename\":\"réport.pdf\",\"caption\":\"c\","
              "\"options\":{\"type\":\"document\"}}"},
    {"webjs image", WEBJS, JPEG, "one", "http://h:1/client/sendMessage/s",
     WEBJS_HEAD "\"content\":\"https://x.example/a%20b.jpg?v=1\",\"options\":{\"caption\":\"one\"}}"},
    {"webjs video", WEBJS, VIDEO, "", "http://h:1/client/sendMessage/s",
     WEBJS_HEAD "\"content\":\"https://x.example/v.mp4\",\"mediaFromURLOptions\":{\"filename\":\"pump.mp4\"},\"options\":{}}"},
    {"webjs audio", WEBJS, AUDIO, "", "http://h:1/client/sendMessage/s",
     WEBJS_HEAD "\"content\":\"https://x.example/a.mp3\",\"options\":{}}"},
    {"webjs document", WEBJS, NAMED, "c", "http://h:1/client/sendMessage/s",
     WEBJS_HEAD "\"content\":\"https://x.example/get?id=7\",\"mediaFromURLOptions\":{\"filename\":\"May \\\"26\\\".xlsx\"},"
                "\"options\":{\"caption\":\"c\",\"sendMediaAsDocument\":true}}"},
    {"waha image", WAHA, JPEG, "one", "http://h:1/api/sendImage",
     WAHA_HEAD "\"file\":{\"url\":\"https://x.example/a%20b.jpg?v=1\",\"mimetype\":\"image/jpeg\"},\"caption\":\"one\"}"},
    {"waha video", WAHA, VIDEO, "", "http://h:1/api/sendVideo",
     WAHA_HEAD "\"file\":{\"url\":\"https://x.example/v.mp4\",\"mimetype\":\"video/mp4\",\"filename\":\"pump.mp4\"}}"},
    {"waha audio", WAHA, AUDIO, "", "http://h:1/api/sendVoice",
     WAHA_HEAD "\"file\":{\"url\":\"https://x.example/a.mp3\",\"mimetype\":\"audio/mpeg\"},\"convert\":true}"},
    {"waha document", WAHA, PDF, "c", "http://h:1/api/sendFile",
     WAHA_HEAD "\"file\":{\"url\":\"https://x.example/d/r%C3%A9port.pdf\",\"mimetype\":\"application/pdf\","
               "\"filename\":\"réport.pdf\"},\"caption\":\"c\"}"},
    {"evolution image", EVOLUTION, JPEG, "one", "http://h:1/message/sendMedia/s",
     "{\"number\":\"8801712345678\",\"mediatype\":\"image\",\"media\":\"https://x.example/a%20b.jpg?v=1\","
     "\"mimetype\":\"image/jpeg\",\"caption\":\"one\"}"},
    {"evolution video", EVOLUTION, VIDEO, "", "http://h:1/message/sendMedia/s",
     "{\"number\":\"8801712345678\",\"mediatype\":\"video\",\"media\":\"https://x.example/v.mp4\",\"mimetype\":\"video/mp4\"}"},
    {"evolution audio", EVOLUTION, AUDIO, "", "http://h:1/message/sendMedia/s",
     "{\"number\":\"8801712345678\",\"mediatype\":\"audio\",\"media\":\"https://x.example/a.mp3\",\"mimetype\":\"audio/mpeg\"}"},
    {"evolution document", EVOLUTION, NAMED, "c", "http://h:1/message/sendMedia/s",
     "{\"number\":\"8801712345678\",\"mediatype\":\"document\",\"media\":\"https://x.example/get?id=7\","
     "\"mimetype\":\"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet\",\"fileName\":\"May \\\"26\\\".xlsx\","
     "\"caption\":\"c\"}"},
    {"twilio image", TWILIO, JPEG, "one", TWILIO_URL,
     TWILIO_HEAD "Body=one&MediaUrl=https%3A%2F%2Fx.example%2Fa%2520b.jpg%3Fv%3D1"},
    {"twilio video", TWILIO, VIDEO, "", TWILIO_URL, TWILIO_HEAD "MediaUrl=https%3A%2F%2Fx.example%2Fv.mp4"},
    {"twilio audio", TWILIO, AUDIO, "", TWILIO_URL, TWILIO_HEAD "MediaUrl=https%3A%2F%2Fx.example%2Fa.mp3"},
    {"twilio document", TWILIO, PDF, "", TWILIO_URL, TWILIO_HEAD "MediaUrl=https%3A%2F%2Fx.example%2Fd%2Fr%25C3%25A9port.pdf"},
    {"twilio MMS", SMS, PDF, "c", TWILIO_URL,
     "To=%2B8801712345678&From=%2B14155238886&Body=c&MediaUrl=https%3A%2F%2Fx.example%2Fd%2Fr%25C3%25A9port.pdf"},
    {"webhook", WEBHOOK, NAMED, "c", "http://h:1/x",
     "{\"to\":\"+8801712345678\",\"t\":\"c\",\"type\":\"document\",\"url\":\"https://x.example/get?id=7\","
     "\"name\":\"May \\\"26\\\".xlsx\"}"},
    {"webhook, a text", WEBHOOK, NULL, "c", "http://h:1/x",
     "{\"to\":\"+8801712345678\",\"t\":\"c\",\"type\":\"\",\"url\":\"\",\"name\":\"\"}"},
    {"webhook with a form of its own", WEBHOOK_MEDIA, AUDIO, "c", "http://h:1/file",
     "{\"file\":\"https://x.example/a.mp3\",\"t\":\"c\"}"},
    {"webhook with a form of its own, a text", WEBHOOK_MEDIA, NULL, "c", "http://h:1/text", "{\"t\":\"c\"}"},
};

static void test_row(void **state) {
    const struct row *row = *state;
    struct request request;
    struct outcome o;

    assert_int_equal(request_for(row->which, NUMBER, row->media, row->caption, &request, &o), 1);
    assert_string_equal(buf_string(&request.url), row->url);
    assert_string_equal(buf_string(&request.body), row->body);
    request_done(&request);
}

static void test_to_a_group(void **state) {
    struct request request;
    struct outcome o;

    assert_int_equal(request_for(WPPCONNECT, "120363041234567890@g.us", JPEG, "", &request, &o), 1);
    assert_non_null(strstr(buf_string(&request.body), "{\"phone\":\"120363041234567890@g.us\",\"isGroup\":true,"));
    request_done(&request);
}

/* A mail has the link in its text, and its first line as subject. */
static void test_mail(void **state) {
    struct request request;
    struct outcome o;

    assert_int_equal(request_for(MAIL, "ada@example.org", JPEG, "The pump", &request, &o), 1);
    assert_non_null(strstr(buf_string(&request.body), "Subject: The pump\r\n"));
    assert_non_null(strstr(buf_string(&request.body), "\r\n\r\nThe pump\r\n\r\nhttps://x.example/a%20b.jpg?v=3D1\r\n"));
    request_done(&request);
    assert_int_equal(request_for(MAIL, "ada@example.org", AUDIO, "", &request, &o), 1);
    assert_non_null(strstr(buf_string(&request.body), "Subject: https://x.example/a.mp3\r\n"));
    request_done(&request);
}

/* Mails of one message differ in what they link to, and so do their ids: a mailbox drops what it has. */
static void test_mail_ids(void **state) {
    struct request first, second;
    struct outcome o;

    assert_int_equal(request_for(MAIL, "ada@example.org", AUDIO, "", &first, &o), 1);
    assert_int_equal(request_for(MAIL, "ada@example.org", PDF, "", &second, &o), 1);
    assert_int_not_equal(strncmp(strstr(buf_string(&first.body), "Message-ID"), strstr(buf_string(&second.body), "Message-ID"), 50), 0);
    request_done(&first);
    request_done(&second);
}

/* --- what does not --- */

static void assert_refused(enum account which, const char *media, const char *caption, const char *reason_holds) {
    struct request request;
    struct outcome o;

    assert_int_equal(request_for(which, which == MAIL ? "ada@example.org" : NUMBER, media, caption, &request, &o), 0);
    assert_outcome(&o, REJECTED, reason_holds);
    request_done(&request);
}

static void test_captions(void **state) {
    static const enum account whatsapp[] = {CLOUD, EVOLUTION, TWILIO, WAHA, WEBJS, WPPCONNECT};
    char caption[3 * 1025 + 1];
    struct request request;
    struct outcome o;

    for (size_t i = 0; i < 1025; i++)
        memcpy(caption + 3 * i, "€", 4);
    for (size_t i = 0; i < ELEMENTSOF(whatsapp); i++) {
        caption[3 * 1024] = "€"[0];
        assert_refused(whatsapp[i], JPEG, caption, "the caption has 1025 characters, and ");
        assert_refused(whatsapp[i], JPEG, caption, " takes 1024; shorten it");
        assert_refused(whatsapp[i], AUDIO, "listen", "no caption with audio; leave it out, or say it");
        caption[3 * 1024] = '\0';
        assert_int_equal(request_for(whatsapp[i], NUMBER, JPEG, caption, &request, &o), 1);
        request_done(&request);
    }
    assert_refused(TWILIO, PDF, "c", "Twilio passes on no caption with a document");
    memset(caption, 'x', 1601);
    caption[1601] = '\0';
    assert_refused(SMS, PDF, caption, "1601 characters, and Twilio takes 1600");
}

static void test_urls(void **state) {
    static const struct {
        const char *url, *reason_holds;
    } cases[] = {
        {"null", "the URL is empty"},
        {"\"\"", "the URL is empty"},
        {"\"file:///etc/passwd\"", "can't be fetched: the URL"},
        {"\"ftp://x.example/a\"", "can't be fetched: the URL"},
        {"\"/srv/a.jpg\"", "can't be fetched: the URL"},
        {"\"data:image/png;base64,AAAA\"", "can't be fetched: the URL"},
        {"\"https://u:p@x.example/a.jpg\"", "user name"},
        {"\"https://x.example/a b.jpg\"", "can't be fetched: the URL"},
        {"\"https://x.example/ü.jpg\"", "can't be fetched: the URL"},
        {"\"https://x.example/a\\r\\nHost: y\"", "can't be fetched: the URL"},
    };
    char media[256], longest[3000];

    for (enum account which = 0; which < ACCOUNTS; which++)
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
            (void) snprintf(media, sizeof(media), "{\"type\":\"image\",\"url\":%s}", cases[i].url);
            assert_refused(which, media, "", cases[i].reason_holds);
        }
    (void) snprintf(longest, sizeof(longest), "{\"type\":\"image\",\"url\":\"https://x.example/%02300d\"}", 0);
    assert_refused(CLOUD, longest, "", "too long");
}

static void test_odd_media(void **state) {
    static const char *const odd[] = {"{}", "5", "[]", "{\"type\":\"sticker\",\"url\":\"https://x/y\"}", "{\"type\":[],\"url\":\"https://x/y\"}"};

    for (enum account which = 0; which < ACCOUNTS; which++) {
        if (which == WEBHOOK_MEDIA)
            continue; /* the same */
        for (size_t i = 0; i < ELEMENTSOF(odd); i++)
            assert_refused(which, odd[i], "", "\"type\" of image, video, audio or document");
        assert_refused(which, "{\"type\":\"document\",\"url\":\"https://x/y\",\"filename\":\"../a\\u0001\"}", "", "its media's filename");
    }
}

/* A document whose type Evolution could not tell. */
static void test_document_without_an_ending(void **state) {
    assert_refused(EVOLUTION, "{\"type\":\"document\",\"url\":\"https://x.example/get?id=7.pdf\"}", "", "give its media a \"filename\"");
    assert_refused(EVOLUTION, "{\"type\":\"document\",\"url\":\"https://x.example/a.pdf\",\"filename\":\"May\"}", "", "\"filename\"");
}

static void test_a_webhook_without_media(void **state) {
    _cleanup_(json_freep) struct json *account = parsed("{\"body\":{\"t\":\"{{body}}\"}}"), *media = parsed(JPEG);
    struct sender sender = {.name = "main", .base_url = "http://h:1", .account = json_root(account)};
    struct message message = message_to(NUMBER, "one");
    struct request request;
    struct outcome o;

    message.media = json_root(media);
    request_init(&request);
    assert_int_equal(gateway_webhook.request(&sender, &message, &request, &o), 0);
    assert_outcome(&o, REJECTED, "put {{media.url}} into its body, or give it a \"media\"");
    request_done(&request);
}

static void test_a_webhooks_account(void **state) {
    static const struct {
        const char *account, *fault;
    } cases[] = {
        {"{\"body\":\"{{body}}\",\"media\":{}}", "\"media.body\" is missing"},
        {"{\"body\":\"{{body}}\",\"media\":5}", "\"media.body\" is missing"},
        {"{\"body\":\"{{body}}\",\"media\":{\"body\":\"{{body}}\"}}", "does not name {{media.url}}"},
        {"{\"body\":\"{{body}}\",\"media\":{\"body\":\"{{media.uri}}\"}}", "there are {{target}}"},
        {"{\"body\":\"{{body}}\",\"media\":{\"body\":\"{{media.url}}\",\"path\":\"x\"}}", "\"media.path\" is not a path"},
        {"{\"body\":\"{{media.url}}{{credential}}\"}", "in headers only"},
        {"{\"body\":\"{{body}}\",\"headers\":{\"X-A\":\"{{media.url}}\"}}", "in the body only"},
        {"{\"body\":\"{{body}}\",\"headers\":{\"X-A\":\"{{media.filename}}\"}}", "in the body only"},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_(json_freep) struct json *account = parsed(cases[i].account);
        struct sender sender = {.name = "main", .base_url = "http://h:1", .account = json_root(account)};
        _cleanup_(buf_done) struct buf fault = BUF_MAX(4096);

        assert_int_equal(gateway_webhook.check(&sender, &fault), -EINVAL);
        if (!strstr(buf_string(&fault), cases[i].fault))
            fail_msg("not \"%s\" in: %s", cases[i].fault, buf_string(&fault));
    }
}

/* --- names --- */

static void test_names(void **state) {
    static const struct {
        const char *url, *filename, *mime_type;
    } cases[] = {
        {"https://x.example/d/a.pdf", "a.pdf", "application/pdf"},
        {"https://x.example/d/a.PDF?x=/b.txt", "a.PDF", "application/pdf"},
        {"https://x.example/", "", NULL},
        {"https://x.example", "", NULL},
        {"https://x.example?a=/b.pdf", "", NULL},
        {"https://x.example/a%2Fb.pdf", "", NULL},
        {"https://x.example/a%00b.pdf", "", NULL},
        {"https://x.example/a%0ab.pdf", "", NULL},
        {"https://x.example/%ff.pdf", "", NULL},
        {"https://x.example/100%.pdf", "100%.pdf", "application/pdf"},
        {"https://x.example/a.b.unknown", "a.b.unknown", NULL},
        {"https://x.example/%", "%", NULL},
        {"https://x.example/a%2", "a%2", NULL},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        char text[256];
        struct message message = message_to(NUMBER, "");
        struct media media;
        struct outcome o;

        (void) snprintf(text, sizeof(text), "{\"type\":\"document\",\"url\":\"%s\"}", cases[i].url);
        _cleanup_(json_freep) struct json *doc = parsed(text);
        message.media = json_root(doc);
        assert_int_equal(media_read(&message, &media, &o), 1);
        assert_string_equal(media.filename, cases[i].filename);
        if (cases[i].mime_type)
            assert_string_equal(media.mime_type, cases[i].mime_type);
        else
            assert_null(media.mime_type);
    }
}

int main(void) {
    static struct CMUnitTest tests[ELEMENTSOF(rows) + 16];
    const struct CMUnitTest others[] = {
        cmocka_unit_test(test_to_a_group),
        cmocka_unit_test(test_mail),
        cmocka_unit_test(test_mail_ids),
        cmocka_unit_test(test_captions),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_odd_media),
        cmocka_unit_test(test_document_without_an_ending),
        cmocka_unit_test(test_a_webhook_without_media),
        cmocka_unit_test(test_a_webhooks_account),
        cmocka_unit_test(test_names),
    };
    size_t n = 0;

    for (; n < ELEMENTSOF(rows); n++)
        tests[n] = (struct CMUnitTest) {.name = rows[n].name, .test_func = test_row, .initial_state = (void *) &rows[n]};
    for (size_t i = 0; i < ELEMENTSOF(others); i++)
        tests[n++] = others[i];
    return _cmocka_run_group_tests("media", tests, n, NULL, NULL);
}
