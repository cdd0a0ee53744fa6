/* Whatever a mail server replies, at whichever stage of the conversation. (dictionary: smtp) */
#include "reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static struct json *doc;
    struct sender sender = {.name = "smtp", .base_url = "smtp://mail.example.org:587", .secret = SECRET};

    sender.account = account_of("{\"from\": \"alerts@example.org\", \"user\": \"alerts\"}", &doc);
    try_reply(&gateway_smtp, &sender, false, bytes, size);
    return 0;
}
