/* Whatever Twilio, or who stands before it, answers. (dictionary: reply) */
#include "reply.h"

#define SID "0123456789abcdef0123456789abcdef"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static struct json *doc;
    struct sender sender = {.name = "twilio", .base_url = "", .secret = SECRET};

    sender.account = account_of("{\"account_sid\": \"AC" SID "\", \"from\": \"whatsapp:+14155238886\"}", &doc);
    try_reply(&gateway_twilio, &sender, false, bytes, size);
    return 0;
}
