/* Whatever a webhook answers, under accounts that ask for more and for less. (dictionary: reply) */
#include "reply.h"

#define ACCOUNT(more) "{\"body\": {\"to\": \"{{target}}\"}" more "}"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static const char *const accounts[] = {
        ACCOUNT(""),
        ACCOUNT(", \"success\": {\"path\": \"messageId\", \"equals\": {\"success\": true}}"),
        ACCOUNT(", \"success\": {\"status\": [200, \"4xx\"], \"equals\": {\"ok\": \"yes\", \"n\": 1}},"
                " \"rejected\": {\"status\": \"5xx\"}"),
    };
    static struct json *docs[ELEMENTSOF(accounts)];

    for (size_t i = 0; i < ELEMENTSOF(accounts); i++) {
        struct sender sender = {.name = "webhook", .base_url = "http://127.0.0.1/", .secret = SECRET};

        sender.account = account_of(accounts[i], &docs[i]);
        try_reply(&gateway_webhook, &sender, true, bytes, size);
    }
    return 0;
}
