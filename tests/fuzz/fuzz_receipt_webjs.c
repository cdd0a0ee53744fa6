/* Webhooks of a wwebjs-api server. (dictionary: receipt) */
#include "receipts.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    try_webhook(receipt_read_webjs, notice_read_webjs, bytes, size);
    return 0;
}
