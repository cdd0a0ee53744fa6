#include "base/closest.h"

#include <string.h>

static size_t smallest(size_t a, size_t b, size_t c) {
    size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

size_t closest_distance(const char *a, const char *b) {
    size_t row[CLOSEST_BYTES_MAX], a_size = strlen(a), b_size = strlen(b);

    if (a_size >= CLOSEST_BYTES_MAX || b_size >= CLOSEST_BYTES_MAX)
        return CLOSEST_BYTES_MAX;
    for (size_t j = 0; j <= b_size; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t above = row[j];

            row[j] = smallest(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[b_size];
}
