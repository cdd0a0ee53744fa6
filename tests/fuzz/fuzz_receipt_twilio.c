/* Status callbacks of Twilio: the echo in their query in a line, then the form. (dictionary: twilio) */
#include "receipts.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct input in = input_of(bytes, size);
    _cleanup_(freep) char *echo = input_line(&in), *text = copy_of(in.bytes, in.size);
    _cleanup_(form_freep) struct form *form = NULL;
    struct reading reading = {.left = 100};
    int r = form_parse(text, in.size, &form);

    HOLDS(r == 0 || r == -EBADMSG);
    if (r < 0 || !text_is_utf8(echo, strlen(echo)))
        return 0;
    for (size_t i = 0; i < form->count; i++)
        HOLDS(text_is_utf8(form->fields[i].name, strlen(form->fields[i].name)) &&
              text_is_utf8(form->fields[i].value, strlen(form->fields[i].value)));
    batch_init(&reading.batch);
    end_reading(&reading, receipt_read_twilio(form, *echo ? echo : NULL, check_receipt, &reading));
    return 0;
}
