/* Whatever an Evolution API server answers. (dictionary: reply) */
#include "reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static struct json *doc;
    struct sender sender = {.name = "evolution", .base_url = "http://127.0.0.1:8080", .secret = SECRET};

    sender.account = account_of("{\"instance\": \"alerts\"}", &doc);
    try_reply(&gateway_evolution, &sender, true, bytes, size);
    return 0;
}
