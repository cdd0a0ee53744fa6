/* A row's message: its target in a line, then the text. Whatever it holds, it comes out of the request as it went in, or is
 * refused with a reason. */
#include "request.h"

#include "io/form.h"

enum how { AS_JSON, AS_FORM, AS_MAIL };

#define SID "0123456789abcdef0123456789abcdef"

static const struct {
    const struct gateway *gateway;
    const char *base_url, *account;
    enum how how;
    const char *text; /* where it is in the body */
} senders[] = {
    {&gateway_cloud, "", "{\"phone_number_id\": \"1065\"}", AS_JSON, "text.body"},
    {&gateway_evolution, "http://127.0.0.1:8080", "{\"instance\": \"alerts\"}", AS_JSON, "text"},
    {&gateway_smtp, "smtp://mail.example.org", "{\"from\": \"alerts@example.org\", \"user\": \"alerts\"}", AS_MAIL, NULL},
    {&gateway_twilio, "", "{\"account_sid\": \"AC" SID "\", \"from\": \"whatsapp:+14155238886\"}", AS_FORM, "Body"},
    {&gateway_waha, "http://127.0.0.1:3000", "{\"session\": \"alerts\"}", AS_JSON, "text"},
    {&gateway_webhook, "http://127.0.0.1/",
     "{\"headers\": {\"X-To\": \"{{target}} {{credential}}\"}, \"body\": {\"a\": [\"{{body}}\"], \"to\": \"{{target}}\"}}", AS_JSON,
     "a.0"},
    {&gateway_webjs, "http://127.0.0.1:3000", "{\"session\": \"alerts\"}", AS_JSON, "content"},
    {&gateway_wppconnect, "http://127.0.0.1:21465", "{\"session\": \"alerts\"}", AS_JSON, "message"},
};

static void check_json(const struct buf *body, const char *path, const char *text) {
    _cleanup_(json_freep) struct json *doc = NULL;
    const char *reason;

    HOLDS(json_parse(buf_string(body), body->size, &doc, &reason) == 0);
    HOLDS(strcmp(json_text_at(json_root(doc), path), text) == 0);
}

static void check_form(const struct buf *body, const char *name, const char *text) {
    _cleanup_(form_freep) struct form *form = NULL;

    HOLDS(form_parse(buf_string(body), body->size, &form) == 0);
    HOLDS(form->count == 3 && strcmp(form_value(form, name), text) == 0);
}

/* The header of a mail has these lines and no other; where it ends. */
static const char *check_header_lines(const char *line) {
    static const char *const names[] = {
        "From: ", "To: ", "Subject: ", "Message-ID: ", "MIME-Version: ", "Content-Type: ", "Content-Transfer-Encoding: ",
        "Auto-Submitted: ",
    };
    size_t n = 0;

    for (; strncmp(line, "\r\n", 2) != 0; line = strstr(line, "\r\n") + 2) {
        HOLDS(strstr(line, "\r\n"));
        if (*line == ' ') /* the line before goes on */
            continue;
        HOLDS(n < ELEMENTSOF(names) && strncmp(line, names[n], strlen(names[n])) == 0);
        n++;
    }
    HOLDS(n == ELEMENTSOF(names));
    return line + 2;
}

/* Takes one byte of quoted-printable text; -1: its end. */
static int unquote(const char **p) {
    unsigned byte;

    while (strncmp(*p, "=\r\n", 3) == 0)
        *p += 3;
    if (!**p)
        return -1;
    if (**p != '=')
        return (unsigned char) *(*p)++;
    HOLDS(sscanf(*p, "=%2X", &byte) == 1);
    *p += 3;
    return (int) byte;
}

static void check_mail(const struct buf *mail, const char *text) {
    const char *p = buf_string(mail), *line_end = p;

    for (size_t i = 0; i < mail->size; i++)
        HOLDS((p[i] >= ' ' && p[i] < 0x7f) || p[i] == '\t' || strncmp(p + i - (p[i] == '\n'), "\r\n", 2) == 0);
    for (const char *line = p; *line; line = line_end + 2) {
        line_end = strstr(line, "\r\n");
        HOLDS(line_end && line_end - line <= 998);
    }
    p = check_header_lines(p);
    for (; *text; text++) {
        if (*text != '\r' && *text != '\n') {
            HOLDS(unquote(&p) == (unsigned char) *text);
            continue;
        }
        text += strncmp(text, "\r\n", 2) == 0;
        HOLDS(unquote(&p) == '\r' && unquote(&p) == '\n');
    }
    HOLDS(!*p || strcmp(p, "\r\n") == 0);
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
    if (senders[which].how == AS_JSON)
        check_json(&request.body, senders[which].text, message->body);
    else if (senders[which].how == AS_FORM)
        check_form(&request.body, senders[which].text, message->body);
    else
        check_mail(&request.body, message->body);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static struct json *accounts[ELEMENTSOF(senders)];
    struct input in = input_of(bytes, size);
    _cleanup_(freep) char *target = input_line(&in), *body = copy_of(in.bytes, in.size);
    struct message message = {.id = 12, .attempt_id = 34, .target = target, .body = body};

    if (!text_is_utf8(target, strlen(target)) || !text_is_utf8(body, in.size))
        return 0;
    if (strstr(body, &SECRET[1]) || strstr(target, &SECRET[1])) /* an escape's last digit may become its first letter */
        return 0;
    for (size_t i = 0; i < ELEMENTSOF(senders); i++) {
        const char *reason;

        if (!accounts[i])
            HOLDS(json_parse(senders[i].account, strlen(senders[i].account), &accounts[i], &reason) == 0);
        struct sender sender = {
            .name = "fuzz", .base_url = senders[i].base_url, .secret = SECRET, .account = json_root(accounts[i])};

        message.is_group = senders[i].how != AS_MAIL && !strchr(target, '+');
        try_sender(i, &sender, &message);
    }
    return 0;
}
