/* QR codes: the only user of libqrencode. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct qr {
    size_t side;     /* modules, without the quiet zone around them; an odd number */
    uint8_t *is_dark; /* side * side of them, row by row */
};

/* The smallest one that says the text; it withstands less damage than others, which a screen does not do. -E2BIG: no QR code
 * holds so much; -EINVAL: the text is empty; -ENOMEM. */
int qr_new(const char *text, struct qr **ret) _must_check_;
struct qr *qr_free(struct qr *qr);
DEFINE_CLEANUP(struct qr *, qr_free)

/* Also outside of it, where it is quiet. */
bool qr_is_dark(const struct qr *qr, ptrdiff_t row, ptrdiff_t column);
