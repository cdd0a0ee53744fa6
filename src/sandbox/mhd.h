/* The sandbox on a socket: the only user of libmicrohttpd here. Reads requests whole, asks the contracts, and lets the answers
 * leave late, in drops, in part or not at all, as they say. */
#pragma once

#include <systemd/sd-event.h>

#include "base/cleanup.h"
#include "sandbox/contract.h"

struct mhd;

/* Serves on the listening socket, which it takes over (also on failure), on the loop. sandbox is borrowed. */
int mhd_new(sd_event *event, int socket_fd, struct sandbox *sandbox, struct mhd **ret) _must_check_;

/* Closes all connections. */
struct mhd *mhd_free(struct mhd *s);
DEFINE_CLEANUP(struct mhd *, mhd_free)
