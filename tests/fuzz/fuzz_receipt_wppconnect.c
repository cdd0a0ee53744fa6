/* Events of a wppconnect server. (dictionary: receipt) */
#include "receipts.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    try_webhook(receipt_read_wppconnect, notice_read_wppconnect, bytes, size);
    return 0;
}
