/* A row's message: its target in a line, then the text. Whatever it holds, it comes out of the request's JSON as it went in, or
 * is refused with a reason. */
#include "request.h"

static const struct {
    const struct gateway *gateway;
    const char *base_url, *account, *text_path;
} senders[] = {
    {&gateway_cloud, "", "{\"phone_number_id\": \"1065\"}", "text.body"},
    {&gateway_wppconnect, "http://127.0.0.1:21465", "{\"session\": \"alerts\"}", "message"},
    {&gateway_webhook, "http://127.0.0.1/",
     "{\"headers\": {\"X-To\": \"{{target}} {{credential}}\"}, \"body\": {\"a\": [\"{{body}}\"], \"to\": \"{{target}}\"}}", "a.0"},
};

static void try_sender(const struct gateway *gateway, const struct sender *sender, const struct message *message,
                       const char *text_path) {
    _cleanup_(json_freep) struct json *doc = NULL;
    _cleanup_(request_done) struct request request;
    struct outcome o;
    int r;

    request_init(&request);
    r = gateway->request(sender, message, &request, &o);
    HOLDS(r == 0 || r == 1);
    if (r == 0) {
        check_refusal(&o);
        return;
    }
    doc = check_request(&request);
    HOLDS(strcmp(json_text_at(json_root(doc), text_path), message->body) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static struct json *accounts[ELEMENTSOF(senders)];
    struct input in = input_of(bytes, size);
    _cleanup_(freep) char *target = input_line(&in), *body = copy_of(in.bytes, in.size);
    struct message message = {.id = 12, .attempt_id = 34, .target = target, .is_group = !strchr(target, '+'), .body = body};

    if (!text_is_utf8(target, strlen(target)) || !text_is_utf8(body, in.size) || strstr(body, SECRET) || strstr(target, SECRET))
        return 0;
    for (size_t i = 0; i < ELEMENTSOF(senders); i++) {
        const char *reason;

        if (!accounts[i])
            HOLDS(json_parse(senders[i].account, strlen(senders[i].account), &accounts[i], &reason) == 0);
        struct sender sender = {
            .name = "fuzz", .base_url = senders[i].base_url, .secret = SECRET, .account = json_root(accounts[i])};

        try_sender(senders[i].gateway, &sender, &message, senders[i].text_path);
    }
    return 0;
}
