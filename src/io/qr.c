#include "io/qr.h"

#include <errno.h>
#include <qrencode.h>
#include <stdlib.h>

enum { DARK_BIT = 1 };

static int take_modules(const QRcode *code, struct qr **ret) {
    size_t side = (size_t) code->width, count = side * side;
    _cleanup_(qr_freep) struct qr *qr = calloc(1, sizeof(*qr));

    if (!qr || !(qr->is_dark = malloc(count)))
        return -ENOMEM;
    qr->side = side;
    for (size_t i = 0; i < count; i++)
        qr->is_dark[i] = code->data[i] & DARK_BIT;
    *ret = TAKE_PTR(qr);
    return 0;
}

int qr_new(const char *text, struct qr **ret) {
    QRcode *code = QRcode_encodeString(text, 0, QR_ECLEVEL_L, QR_MODE_8, 1);
    int r;

    if (!code)
        return errno == ERANGE ? -E2BIG : errno == ENOMEM ? -ENOMEM : -EINVAL;
    r = take_modules(code, ret);
    QRcode_free(code);
    return r;
}

struct qr *qr_free(struct qr *qr) {
    if (qr)
        free(qr->is_dark);
    free(qr);
    return NULL;
}

bool qr_is_dark(const struct qr *qr, ptrdiff_t row, ptrdiff_t column) {
    ptrdiff_t side = (ptrdiff_t) qr->side;

    return row >= 0 && row < side && column >= 0 && column < side && qr->is_dark[row * side + column];
}
