/* Files that the program carries inside itself: migrations, SQL functions and views, grants, the sample configuration, the
 * sandbox's page. build/embedded.c is made from them; their paths are those of the source tree. */
#pragma once

#include <stddef.h>

struct embedded_file {
    const char *path; /* "migrations/0001_….sql" */
    const char *data; /* static, NUL-terminated at data[size] */
    size_t size;
};

/* In path order (byte by byte); made by tools/embed. Use the functions. */
extern const struct embedded_file embedded_files[];
extern const size_t embedded_files_count;

/* The file of exactly that path, or NULL. */
const struct embedded_file *embedded_find(const char *path);

/* The files whose path begins with prefix, in path order: for (f = embedded_next(p, NULL); f; f = embedded_next(p, f)). */
const struct embedded_file *embedded_next(const char *prefix, const struct embedded_file *previous);
