/* Whatever a wppconnect server answers. (dictionary: reply) */
#include "reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static struct json *doc;
    struct sender sender = {.name = "wppconnect", .base_url = "http://127.0.0.1:21465", .secret = SECRET};

    sender.account = account_of("{\"session\": \"alerts\"}", &doc);
    try_reply(&gateway_wppconnect, &sender, true, bytes, size);
    return 0;
}
