/* Whatever a wwebjs-api server answers. (dictionary: reply) */
#include "reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static struct json *doc;
    struct sender sender = {.name = "webjs", .base_url = "http://127.0.0.1:3000", .secret = SECRET};

    sender.account = account_of("{\"session\": \"alerts\"}", &doc);
    try_reply(&gateway_webjs, &sender, true, bytes, size);
    return 0;
}
