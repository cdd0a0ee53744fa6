/* A sender's row: base_url in a line, then its account. A gateway's check says what is wrong with it in one sentence, or the
 * requests to it are fit to go out. (dictionary: account) */
#include <errno.h>

#include "request.h"

static const struct gateway *const gateways[] = {
    &gateway_cloud, &gateway_evolution, &gateway_smtp,  &gateway_twilio,
    &gateway_waha,  &gateway_webhook,   &gateway_webjs, &gateway_wppconnect,
};

static void try_request(const struct gateway *gateway, const struct sender *sender) {
    struct message message = {.id = 12, .attempt_id = 34, .body = "hello \"{{body}}\"\r\n"};
    _cleanup_(request_done) struct request request;
    struct outcome o;
    int r;

    message.target = gateway == &gateway_smtp ? "ada@example.org" : "+8801712345678";
    request_init(&request);
    r = gateway->request(sender, &message, &request, &o);
    HOLDS(r == 0 || r == 1);
    if (r == 0)
        check_refusal(&o);
    else
        check_request(&request);
}

static void try_gateway(const struct gateway *gateway, const struct sender *sender) {
    _cleanup_(buf_done) struct buf error = BUF_MAX(4096);
    int r = gateway->check(sender, &error);

    HOLDS(r == 0 || r == -EINVAL);
    HOLDS((r == 0) == (error.size == 0));
    HOLDS(is_printable(buf_string(&error)));
    if (r == 0)
        try_request(gateway, sender);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct input in = input_of(bytes, size);
    _cleanup_(freep) char *base_url = input_line(&in), *account = copy_of(in.bytes, in.size);
    _cleanup_(json_freep) struct json *doc = NULL;
    struct sender sender = {.name = "fuzz", .base_url = base_url, .secret = SECRET};
    const char *reason;

    /* The database gives valid UTF-8, and an object. */
    if (!text_is_utf8(base_url, strlen(base_url)) || json_parse(account, in.size, &doc, &reason) < 0)
        return 0;
    sender.account = json_root(doc);
    if (json_type(sender.account) != JSON_OBJECT || strstr(account, SECRET) || strstr(base_url, SECRET))
        return 0;
    for (size_t i = 0; i < ELEMENTSOF(gateways); i++)
        try_gateway(gateways[i], &sender);
    return 0;
}
