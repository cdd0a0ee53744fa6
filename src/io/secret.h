/* Secrets come by name: $CREDENTIALS_DIRECTORY/NAME, then credentials_dir/NAME, then $PGHERALD_CREDENTIAL_NAME. They are never
 * logged; there is no function that prints one. A process that has loaded one leaves no core file. */
#pragma once

#include "base/buf.h"
#include "base/cleanup.h"

enum { SECRET_BYTES_MAX = 4096 };

struct secret;

/* name: letters, digits, '_', '-', '.', not starting with '.'; else -EINVAL. One line end at the end of the file is dropped.
 * -ENOENT: nowhere there; -EINVAL: a control byte in it, or empty, or too long. reterr gets a sentence without the secret. */
int secret_load(const char *name, const char *credentials_dir, struct secret **ret, struct buf *reterr) _must_check_;

/* The bytes, as a string. Borrowed; do not copy it anywhere but into a request's header. */
const char *secret_reveal(const struct secret *s);

/* Overwrites and frees. NULL is allowed. */
struct secret *secret_free(struct secret *s);
DEFINE_CLEANUP(struct secret *, secret_free)
