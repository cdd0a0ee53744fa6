#include "gateway/twilio_callback.h"

#include <inttypes.h>
#include <string.h>

int twilio_write_callback(struct buf *b, const char *status_callback, int64_t id, int64_t attempt_id) {
    return buf_printf(b, "%s%c" TWILIO_ECHO "=%" PRId64 ".%" PRId64, status_callback, strchr(status_callback, '?') ? '&' : '?', id,
                      attempt_id);
}

/* By name, then by value. */
static int compare_fields(const void *a, const void *b) {
    const struct form_field *left = a, *right = b;
    int by_name = strcmp(left->name, right->name);

    return by_name != 0 ? by_name : strcmp(left->value, right->value);
}

int twilio_sign(const char *auth_token, const char *url, const struct form *form, char ret[static TWILIO_SIGNATURE_BYTES]) {
    _cleanup_(hmac_freep) struct hmac *h = NULL;
    _cleanup_(buf_done) struct buf text = BUF_MAX(TWILIO_SIGNATURE_BYTES - 1);
    struct form_field fields[FORM_FIELDS_MAX];
    unsigned char bytes[HMAC_SHA1];
    int r = hmac_new(HMAC_SHA1, auth_token, strlen(auth_token), &h);

    memcpy(fields, form->fields, form->count * sizeof(*fields));
    qsort(fields, form->count, sizeof(*fields), compare_fields);
    if (r >= 0)
        r = hmac_add(h, url, strlen(url));
    for (size_t i = 0; i < form->count && r >= 0; i++) {
        if (i > 0 && compare_fields(&fields[i - 1], &fields[i]) == 0)
            continue; /* said twice, signed once */
        r = hmac_add(h, fields[i].name, strlen(fields[i].name));
        if (r >= 0)
            r = hmac_add(h, fields[i].value, strlen(fields[i].value));
    }
    if (r >= 0)
        r = hmac_finish(h, bytes, sizeof(bytes));
    if (r >= 0)
        r = base64_append(&text, bytes, sizeof(bytes));
    if (r >= 0)
        memcpy(ret, buf_string(&text), TWILIO_SIGNATURE_BYTES);
    return r;
}
