/* Listening sockets: of an address that a person gave, or handed over by systemd. */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/cleanup.h"

struct endpoint {
    int fd; /* owned by the caller */
    bool is_loopback;
    char name[80]; /* "127.0.0.1:8025", "[::1]:8025": with the port that it got */
};

/* Listens on "ADDRESS:PORT": a numeric address, [::1] in brackets, or localhost; port 0 takes a free one. -EINVAL: not of that
 * form. Any failure leaves a sentence with address, reason and remedy in reterr. */
int endpoint_open(const char *where, struct endpoint *ret, struct buf *reterr) _must_check_;

/* Fills ret for a listening socket that somebody else opened; takes it over. */
void endpoint_adopt(int fd, struct endpoint *ret);
