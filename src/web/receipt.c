#include "web/receipt.h"

#include <string.h>

#include "base/parse.h"

void receipt_read_echo(const char *text, struct receipt *r) {
    const char *dot = text ? strchr(text, '.') : NULL;
    char id[24];

    if (!dot || (size_t) (dot - text) >= sizeof(id))
        return;
    memcpy(id, text, (size_t) (dot - text));
    id[dot - text] = '\0';
    if (parse_int(id, 1, INT64_MAX, &r->id) < 0 || parse_int(dot + 1, 1, INT64_MAX, &r->attempt_id) < 0)
        r->id = r->attempt_id = 0;
}
