#include "base/embedded.h"

#include <string.h>

const struct embedded_file *embedded_find(const char *path) {
    for (size_t i = 0; i < embedded_files_count; i++)
        if (strcmp(embedded_files[i].path, path) == 0)
            return &embedded_files[i];
    return NULL;
}

const struct embedded_file *embedded_next(const char *prefix, const struct embedded_file *previous) {
    size_t prefix_size = strlen(prefix);

    for (size_t i = previous ? (size_t) (previous - embedded_files) + 1 : 0; i < embedded_files_count; i++)
        if (strncmp(embedded_files[i].path, prefix, prefix_size) == 0)
            return &embedded_files[i];
    return NULL;
}
