/* Webhooks of the Cloud API, after their signature was found right. (dictionary: receipt) */
#include "receipts.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    try_webhook(receipt_read_cloud, notice_read_cloud, bytes, size);
    return 0;
}
