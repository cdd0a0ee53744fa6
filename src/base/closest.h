/* Did you mean …? */
#pragma once

#include <stddef.h>

enum { CLOSEST_BYTES_MAX = 32 }; /* longer words have no closest one */

/* How many letters have to be added, dropped or changed to turn one word into the other; CLOSEST_BYTES_MAX where one is too
 * long. */
size_t closest_distance(const char *a, const char *b);
