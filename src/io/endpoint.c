#include "io/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>

#include "base/parse.h"

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static int parse_address(const char *where, union address *ret, socklen_t *ret_size) {
    char host[64];
    int64_t port;
    const char *colon = strrchr(where, ':');
    if (!colon || parse_int(colon + 1, 0, 65535, &port) < 0)
        return -EINVAL;
    size_t size = (size_t) (colon - where);
    bool is_bracketed = size > 2 && where[0] == '[' && colon[-1] == ']';
    if (is_bracketed) {
        where++;
        size -= 2;
    }
    if (size == 0 || size >= sizeof(host))
        return -EINVAL;
    memcpy(host, where, size);
    host[size] = '\0';
    *ret = (union address) {0};
    if (is_bracketed) {
        ret->v6.sin6_family = AF_INET6;
        ret->v6.sin6_port = htons((uint16_t) port);
        *ret_size = sizeof(ret->v6);
        return inet_pton(AF_INET6, host, &ret->v6.sin6_addr) == 1 ? 0 : -EINVAL;
    }
    ret->v4.sin_family = AF_INET;
    ret->v4.sin_port = htons((uint16_t) port);
    *ret_size = sizeof(ret->v4);
    return inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &ret->v4.sin_addr) == 1 ? 0 : -EINVAL;
}

static bool is_loopback(const union address *a) {
    if (a->any.sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
    return (ntohl(a->v4.sin_addr.s_addr) >> 24) == 127;
}

static void write_name(const union address *a, char *ret, size_t size) {
    char host[INET6_ADDRSTRLEN] = "?";
    if (a->any.sa_family == AF_INET6) {
        (void) inet_ntop(AF_INET6, &a->v6.sin6_addr, host, sizeof(host));
        (void) snprintf(ret, size, "[%s]:%u", host, (unsigned) ntohs(a->v6.sin6_port));
    } else {
        (void) inet_ntop(AF_INET, &a->v4.sin_addr, host, sizeof(host));
        (void) snprintf(ret, size, "%s:%u", host, (unsigned) ntohs(a->v4.sin_port));
    }
}

void endpoint_adopt(int fd, struct endpoint *ret) {
    union address bound = {0};
    socklen_t size = sizeof(bound);
    int flags = fcntl(fd, F_GETFL);
    *ret = (struct endpoint) {.fd = fd, .name = "a socket"};
    if (flags >= 0)
        (void) fcntl(fd, F_SETFL, flags | O_NONBLOCK); /* one that was passed may wait in accept() */
    if (getsockname(fd, &bound.any, &size) < 0 || (bound.any.sa_family != AF_INET && bound.any.sa_family != AF_INET6))
        return;
    ret->is_loopback = is_loopback(&bound);
    write_name(&bound, ret->name, sizeof(ret->name));
}

static const char *remedy_of(int error) {
    switch (error) {
    case EADDRINUSE: return "another program has this port: stop it, or name a free port with --listen";
    case EACCES: return "name a port above 1023 with --listen";
    case EADDRNOTAVAIL: return "this machine has no such address: name one of its own with --listen";
    default: return "name another address or port with --listen";
    }
}

static int listen_on(const union address *address, socklen_t size, struct endpoint *ret) {
    _cleanup_(closep) int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    int one = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 || bind(fd, &address->any, size) < 0 ||
        listen(fd, SOMAXCONN) < 0)
        return -errno;
    endpoint_adopt(fd, ret);
    fd = -1;
    return 0;
}

int endpoint_open(const char *where, struct endpoint *ret, struct buf *reterr) {
    union address address;
    socklen_t size;
    int r = parse_address(where, &address, &size);
    if (r < 0) {
        (void) buf_printf(reterr, "--listen takes ADDRESS:PORT with a numeric address, such as 127.0.0.1:8025 or [::1]:8025, "
                                  "not \"%s\"", where);
        return r;
    }
    r = listen_on(&address, size, ret);
    if (r < 0)
        (void) buf_printf(reterr, "cannot listen on %s: %s; %s", where, strerror(-r), remedy_of(-r));
    return r == -EINVAL ? -EIO : r;
}
