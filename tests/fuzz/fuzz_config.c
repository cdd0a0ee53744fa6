/* A configuration file: it is read, or one printable sentence says why not, in which no password stands. */
#include <errno.h>
#include <sys/mman.h>

#include "fuzz.h"

#include "io/config.h"

#define PASSWORD "S3cretCanary"

static void check_values(const struct config *c) {
    HOLDS(c->max_in_flight >= 1 && c->max_in_flight <= 1000);
    HOLDS(c->planners >= 1 && c->planners <= 8);
    HOLDS(c->log_level >= 3 && c->log_level <= 7);
    HOLDS(*c->node && is_printable(c->node));
    HOLDS(text_is_utf8(c->dsn, strlen(c->dsn)) && text_is_header_safe(c->dsn));
    HOLDS(text_is_utf8(c->credentials_dir, strlen(c->credentials_dir)) && text_is_header_safe(c->credentials_dir));
}

/* An answer to a person: a sentence with its end. */
static void check_error(const struct buf *error) {
    HOLDS(error->size > 0);
    HOLDS(is_printable(buf_string(error)));
    HOLDS(!strstr(buf_string(error), PASSWORD));
}

static struct config *try_file(const char *bytes, size_t size) {
    _cleanup_(buf_done) struct buf error = BUF_MAX(16 * 1024);
    _cleanup_(closep) int fd = memfd_create("fuzz", MFD_CLOEXEC);
    struct config *c = NULL;
    char path[32];
    int r;

    HOLDS(fd >= 0 && write(fd, bytes, size) == (ssize_t) size);
    (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    r = config_load(path, &c, &error);
    HOLDS((r == 0) == (c != NULL));
    if (c)
        check_values(c);
    else
        check_error(&error);
    return c;
}

/* The same bytes as the password of a file that is otherwise right. */
static void try_password(const char *bytes, size_t size) {
    _cleanup_(buf_done) struct buf file = BUF_MAX(1024 * 1024);

    HOLDS(buf_append_string(&file, "dsn = " PASSWORD) == 0 && buf_append(&file, bytes, strcspn(bytes, "\n")) == 0);
    HOLDS(buf_append(&file, "\n", 1) == 0 && size >= strcspn(bytes, "\n"));
    (void) config_free(try_file(file.data, file.size));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    _cleanup_(freep) char *text = copy_of((const char *) bytes, size);
    _cleanup_(config_freep) struct config *c = NULL;

    if (strstr(text, PASSWORD))
        return 0;
    c = try_file(text, size);
    try_password(text, size);
    return 0;
}
