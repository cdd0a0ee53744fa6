/* Forms as browsers and Twilio send them (application/x-www-form-urlencoded). Pure. */
#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "base/cleanup.h"

enum { FORM_FIELDS_MAX = 128 };

struct form_field {
    const char *name, *value; /* valid UTF-8 without NUL */
};

struct form {
    size_t count;
    struct form_field fields[FORM_FIELDS_MAX]; /* in the order in which they came */
    char *text;                                /* private: what they point into */
};

/* Appends a field, after an '&' where there is one already. */
int form_append(struct buf *b, const char *name, const char *value);

/* -EBADMSG: more fields than a form may have, a % that is no escape, a NUL, or no UTF-8. -ENOMEM. */
int form_parse(const char *text, size_t size, struct form **ret) _must_check_;
struct form *form_free(struct form *f);
DEFINE_CLEANUP(struct form *, form_free)

/* The first field of that name, or NULL. */
const char *form_value(const struct form *f, const char *name);
