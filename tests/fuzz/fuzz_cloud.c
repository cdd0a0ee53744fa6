/* Whatever the Cloud API, or who stands before it, answers. (dictionary: reply) */
#include "reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static struct json *doc;
    struct sender sender = {.name = "cloud", .base_url = "", .secret = SECRET};

    sender.account = account_of("{\"phone_number_id\": \"1065\"}", &doc);
    try_reply(&gateway_cloud, &sender, false, bytes, size);
    return 0;
}
