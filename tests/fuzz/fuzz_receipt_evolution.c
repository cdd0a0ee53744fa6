/* Events of an Evolution API server. (dictionary: receipt) */
#include "receipts.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    try_webhook(receipt_read_evolution, notice_read_evolution, bytes, size);
    return 0;
}
