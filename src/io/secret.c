#include "io/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "base/text.h"

/* A buffer of fixed size: one that grew would leave copies behind. */
struct secret {
    size_t size;
    char bytes[SECRET_BYTES_MAX + 3]; /* room for "\r\n", and for the NUL */
};

static bool is_name(const char *name) {
    if (!*name || *name == '.' || strlen(name) > 128)
        return false;
    for (const char *c = name; *c; c++)
        if (!(*c >= '0' && *c <= '9') && !(*c >= 'A' && *c <= 'Z') && !(*c >= 'a' && *c <= 'z') && *c != '_' &&
            *c != '-' && *c != '.')
            return false;
    return true;
}

/* Reads the file of that name in the directory. -ENOENT where either is missing. */
static int read_file(struct secret *s, const char *directory, const char *name) {
    _cleanup_(buf_done) struct buf path = BUF_MAX(4096);
    _cleanup_(closep) int fd = -1;

    if (!directory || !*directory)
        return -ENOENT;
    (void) buf_printf(&path, "%s/%s", directory, name);
    if (buf_error(&path) < 0)
        return buf_error(&path);
    fd = open(buf_string(&path), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOTDIR ? -ENOENT : -errno;

    s->size = 0;
    for (;;) {
        size_t room = sizeof(s->bytes) - s->size;
        ssize_t n = read(fd, s->bytes + s->size, room);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        s->size += (size_t) n;
        if (s->size == sizeof(s->bytes))
            return -EMSGSIZE;
    }
}

static int read_environment(struct secret *s, const char *name) {
    _cleanup_(buf_done) struct buf variable = BUF_MAX(256);
    const char *value;

    (void) buf_printf(&variable, "PGHERALD_CREDENTIAL_%s", name);
    if (buf_error(&variable) < 0)
        return buf_error(&variable);
    value = getenv(buf_string(&variable));
    if (!value)
        return -ENOENT;
    s->size = strlen(value);
    if (s->size >= sizeof(s->bytes))
        return -EMSGSIZE;
    memcpy(s->bytes, value, s->size);
    return 0;
}

/* Drops the line end that editors leave, and refuses what could break out of a header. */
static int check_content(struct secret *s, const char **ret_reason) {
    if (s->size > 0 && s->bytes[s->size - 1] == '\n')
        s->size--;
    if (s->size > 0 && s->bytes[s->size - 1] == '\r')
        s->size--;
    s->bytes[s->size] = '\0';

    if (s->size == 0)
        *ret_reason = "it is empty";
    else if (s->size > SECRET_BYTES_MAX)
        *ret_reason = "it is longer than 4096 bytes";
    else if (strlen(s->bytes) != s->size || !text_is_header_safe(s->bytes))
        *ret_reason = "it holds a control byte; it must be one line of text";
    else
        return 0;
    return -EINVAL;
}

static int find_content(struct secret *s, const char *name, const char *credentials_dir, const char **ret_where) {
    int r;

    *ret_where = "$CREDENTIALS_DIRECTORY";
    r = read_file(s, getenv("CREDENTIALS_DIRECTORY"), name);
    if (r != -ENOENT)
        return r;
    *ret_where = "credentials_dir";
    r = read_file(s, credentials_dir, name);
    if (r != -ENOENT)
        return r;
    *ret_where = "the environment";
    return read_environment(s, name);
}

int secret_load(const char *name, const char *credentials_dir, struct secret **ret, struct buf *reterr) {
    _cleanup_(secret_freep) struct secret *s = NULL;
    const char *where, *reason = NULL;
    int r;

    if (!is_name(name)) {
        (void) buf_append_string(reterr, "The credential name \"");
        (void) text_append_printable(reterr, name, 128);
        (void) buf_append_string(reterr, "\" is not allowed: letters, digits, '_', '-' and '.', not starting with '.'.");
        return -EINVAL;
    }
    s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    (void) mlock(s, sizeof(*s)); /* out of the swap, where the limits allow it */
    /* Nor in a core file, nor open to a debugger of the same user's. */
    (void) prctl(PR_SET_DUMPABLE, 0);

    r = find_content(s, name, credentials_dir, &where);
    if (r == -ENOENT) {
        (void) buf_printf(reterr,
                          "The credential \"%s\" is nowhere: give it to the service with LoadCredential=%s:/path, or put it "
                          "into a file of that name in credentials_dir, or set PGHERALD_CREDENTIAL_%s.",
                          name, name, name);
        return r;
    }
    if (r == -EMSGSIZE) {
        reason = "it is longer than 4096 bytes";
        r = -EINVAL;
    } else if (r == 0)
        r = check_content(s, &reason);
    if (r < 0) {
        (void) buf_printf(reterr, "The credential \"%s\" from %s cannot be used: %s.", name, where,
                          reason ? reason : strerror(-r));
        return r;
    }
    *ret = TAKE_PTR(s);
    return 0;
}

const char *secret_reveal(const struct secret *s) {
    return s->bytes;
}

struct secret *secret_free(struct secret *s) {
    if (!s)
        return NULL;
    explicit_bzero(s, sizeof(*s));
    (void) munlock(s, sizeof(*s));
    free(s);
    return NULL;
}
