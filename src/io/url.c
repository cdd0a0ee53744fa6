#include "io/url.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "io/request.h"

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Whether the rest of the authority is nothing, or a colon and a port. */
static bool port_is_valid(const char *text, size_t size) {
    unsigned port = 0;

    if (size == 0)
        return true;
    if (text[0] != ':' || size < 2 || size > 6)
        return false;
    for (size_t i = 1; i < size; i++) {
        if (!is_digit(text[i]))
            return false;
        port = port * 10 + (unsigned) (text[i] - '0');
    }
    return port >= 1 && port <= 65535;
}

static const char *authority_fault(const char *authority, size_t size) {
    size_t host = 0;

    if (memchr(authority, '@', size))
        return "holds a user name or password; put the secret into the sender's credential";
    if (size > 0 && authority[0] == '[') {
        for (host = 1; host < size && (is_alnum(authority[host]) || strchr(":.", authority[host])); host++)
            ;
        if (host == 1 || host >= size || authority[host] != ']')
            return "has an IPv6 address that isn't closed with ]";
        host++;
    } else {
        while (host < size && (is_alnum(authority[host]) || strchr(".-_", authority[host])))
            host++;
        if (host == 0)
            return "names no host";
    }
    if (!port_is_valid(authority + host, size - host))
        return "has a host or port that can't be read";
    return NULL;
}

static const char *text_fault(const char *url) {
    if (!url || !*url)
        return "is empty";
    if (strlen(url) > REQUEST_URL_BYTES_MAX)
        return "is too long";
    for (const char *p = url; *p; p++) {
        if ((unsigned char) *p <= 0x20 || (unsigned char) *p == 0x7f)
            return "holds a space or a control character";
        if ((unsigned char) *p >= 0x80 || strchr("\"<>\\^`{|}", *p))
            return "holds a character that has to be written as %XX";
        if (*p == '#')
            return "holds a fragment (#), which is never sent";
    }
    return NULL;
}

static const char *url_fault(const char *url) {
    const char *fault = text_fault(url), *authority;

    if (fault)
        return fault;
    if (strncasecmp(url, "https://", 8) == 0)
        authority = url + 8;
    else if (strncasecmp(url, "http://", 7) == 0)
        authority = url + 7;
    else
        return "doesn't begin with http:// or https://";
    return authority_fault(authority, strcspn(authority, "/?"));
}

int url_check(const char *url, const char **reterr_reason) {
    const char *fault = url_fault(url);

    if (!fault)
        return 0;
    *reterr_reason = fault;
    return -EINVAL;
}

bool url_is_mail(const char *url) {
    return strncasecmp(url, "smtp://", 7) == 0 || strncasecmp(url, "smtps://", 8) == 0;
}

static const char *mail_fault(const char *url) {
    const char *fault = text_fault(url), *authority, *path;

    if (fault)
        return fault;
    if (!url_is_mail(url))
        return "doesn't begin with smtp:// or smtps://";
    authority = strstr(url, "//") + 2;
    path = authority + strcspn(authority, "/?");
    if (*path && strcmp(path, "/") != 0)
        return "has a path, and a mail server has none";
    return authority_fault(authority, (size_t) (path - authority));
}

int url_check_mail(const char *url, const char **reterr_reason) {
    const char *fault = mail_fault(url);

    if (!fault)
        return 0;
    *reterr_reason = fault;
    return -EINVAL;
}

int url_append_base(struct buf *b, const char *url) {
    size_t size = strlen(url);

    while (size > 0 && url[size - 1] == '/')
        size--;
    return buf_append(b, url, size);
}

int url_append_escaped(struct buf *b, const char *segment) {
    bool dots = strcmp(segment, ".") == 0 || strcmp(segment, "..") == 0;
    int r = 0;

    for (const char *p = segment; *p && r >= 0; p++) {
        if (is_alnum(*p) || strchr("-_~", *p) || (*p == '.' && !dots))
            r = buf_append_char(b, *p);
        else
            r = buf_printf(b, "%%%02X", (unsigned) (unsigned char) *p);
    }
    return r;
}
