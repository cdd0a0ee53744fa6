/* A message's media: type, URL and file's name in a line each, then the caption. Whatever they hold, the URL comes out of the
 * request as it went in and can be called, or the message is refused with a reason. (dictionary: media) */
#include "request.h"

#include "io/form.h"

#define SID "0123456789abcdef0123456789abcdef"

static const struct {
    const struct gateway *gateway;
    const char *base_url, *account;
    const char *url; /* where it is in the body: JSON (".link": below the type); "": in a form; NULL: in a mail's text */
} senders[] = {
    {&gateway_cloud, "", "{\"phone_number_id\": \"1065\"}", ".link"},
    {&gateway_evolution, "http://127.0.0.1:8080", "{\"instance\": \"alerts\"}", "media"},
    {&gateway_smtp, "smtp://mail.example.org", "{\"from\": \"alerts@example.org\", \"user\": \"alerts\"}", NULL},
    {&gateway_twilio, "", "{\"account_sid\": \"AC" SID "\", \"from\": \"whatsapp:+14155238886\"}", ""},
    {&gateway_twilio, "", "{\"account_sid\": \"AC" SID "\", \"from\": \"+14155238886\"}", ""},
    {&gateway_waha, "http://127.0.0.1:3000", "{\"session\": \"alerts\"}", "file.url"},
    {&gateway_webhook, "http://127.0.0.1/",
     "{\"body\": \"\", \"media\": {\"body\": [\"{{media.url}}\", \"{{media.type}} {{media.filename}} {{body}}\"]}}", "0"},
    {&gateway_webjs, "http://127.0.0.1:3000", "{\"session\": \"alerts\"}", "content"},
    {&gateway_wppconnect, "http://127.0.0.1:21465", "{\"session\": \"alerts\"}", "path"},
};

static void check_url(const char *where, const struct buf *body, const struct json_value *media) {
    _cleanup_(json_freep) struct json *doc = NULL;
    _cleanup_(form_freep) struct form *form = NULL;
    const char *url = json_text_at(media, "url"), *reason;
    char path[64];

    HOLDS(url_check(url, &reason) == 0);
    if (!where)
        return;
    if (!*where) {
        HOLDS(form_parse(buf_string(body), body->size, &form) == 0);
        HOLDS(strcmp(form_value(form, "MediaUrl"), url) == 0);
        return;
    }
    (void) snprintf(path, sizeof(path), "%s%s", *where == '.' ? json_text_at(media, "type") : "", where);
    HOLDS(json_parse(buf_string(body), body->size, &doc, &reason) == 0);
    HOLDS(strcmp(json_text_at(json_root(doc), path), url) == 0);
}

static void try_sender(size_t which, const struct sender *sender, const struct message *message) {
    _cleanup_(request_done) struct request request;
    struct outcome o;
    int r;

    request_init(&request);
    r = senders[which].gateway->request(sender, message, &request, &o);
    HOLDS(r == 0 || r == 1);
    if (r == 0) {
        check_refusal(&o);
        return;
    }
    check_request(&request);
    check_url(senders[which].url, &request.body, message->media);
}

/* A line that is empty is a member that is not there. */
static void write_line(struct json_writer *w, const char *key, struct input *in) {
    _cleanup_(freep) char *line = input_line(in);

    if (*line && text_is_utf8(line, strlen(line)) && !strstr(line, &SECRET[1]))
        json_write_member(w, key, line);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static struct json *accounts[ELEMENTSOF(senders)];
    _cleanup_(buf_done) struct buf text = BUF_MAX(1024 * 1024);
    _cleanup_(json_writer_freep) struct json_writer *w = json_writer_new(&text);
    _cleanup_(json_freep) struct json *media = NULL;
    struct input in = input_of(bytes, size);
    const char *reason;

    json_write_object(w);
    write_line(w, "type", &in);
    write_line(w, "url", &in);
    write_line(w, "filename", &in);
    json_write_object_end(w);
    HOLDS(json_writer_finish(w) == 0 && json_parse(buf_string(&text), text.size, &media, &reason) == 0);
    _cleanup_(freep) char *caption = copy_of(in.bytes, in.size);
    if (!text_is_utf8(caption, in.size) || strstr(caption, &SECRET[1]))
        return 0;
    for (size_t i = 0; i < ELEMENTSOF(senders); i++) {
        if (!accounts[i])
            HOLDS(json_parse(senders[i].account, strlen(senders[i].account), &accounts[i], &reason) == 0);
        struct sender sender = {
            .name = "fuzz", .base_url = senders[i].base_url, .secret = SECRET, .account = json_root(accounts[i])};
        struct message message = {.id = 12, .attempt_id = 34, .body = caption, .media = json_root(media)};

        message.target = senders[i].url ? "+8801712345678" : "ada@example.org";
        try_sender(i, &sender, &message);
    }
    return 0;
}
