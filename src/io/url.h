/* URLs as text: whether one is fit to be called, and how one is put together. Pure: no look-up, no socket. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/cleanup.h"

/* 0 for an absolute http or https URL of printable ASCII, with a host, without user:password and without a fragment. Else
 * -EINVAL, and *reterr_reason (static text) ends the sentence "the URL …". NULL is refused as empty. */
int url_check(const char *url, const char **reterr_reason) _must_check_;

/* Whether it begins with smtp:// or smtps://. */
bool url_is_mail(const char *url);

/* The same for smtp://HOST:PORT and smtps://HOST:PORT, with nothing behind it but a slash. */
int url_check_mail(const char *url, const char **reterr_reason) _must_check_;

/* Appends a URL without its final slashes, so that a path can follow. */
int url_append_base(struct buf *b, const char *url);

/* Appends a text as one segment of a path: every byte but letters, digits, '-', '_', '~' and '.' as %XX; the segments "." and
 * "..", which would walk up, are written with %2E. */
int url_append_escaped(struct buf *b, const char *segment);
