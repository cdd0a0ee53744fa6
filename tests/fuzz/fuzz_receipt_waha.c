/* Events of a WAHA server. (dictionary: receipt) */
#include "receipts.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    try_webhook(receipt_read_waha, notice_read_waha, bytes, size);
    return 0;
}
