/* The forms in which a secret leaves this machine, and in which a gateway that echoes a request may send it back. */
#pragma once

#include "base/buf.h"

enum { SECRET_FORMS_MAX = 14 };

struct secret_forms {
    struct buf text; /* wiped when done */
    size_t count;
    size_t offset[SECRET_FORMS_MAX + 1]; /* of each in text; one ends, without a NUL, where the next begins */
};

/* Fills forms: the secret as it is; in base64, standard and for URLs, wherever it begins in what is encoded ("user:secret"), as far
 * as its letters are its alone; in hexadecimal digits, small and large; percent-encoded, small and large; in a string of JSON,
 * with and without an escaped slash. One that equals the secret is left out. -ENOMEM. */
int secret_forms_fill(struct secret_forms *forms, const char *secret) _must_check_;

void secret_forms_done(struct secret_forms *forms);
