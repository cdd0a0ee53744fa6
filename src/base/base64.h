/* Base64 as RFC 4648 has it, with padding. */
#pragma once

#include <stddef.h>

#include "base/buf.h"

/* Room for the base64 of so many bytes, with the final NUL. */
#define BASE64_BYTES(size) (((size) + 2) / 3 * 4 + 1)

int base64_append(struct buf *b, const void *bytes, size_t size);
