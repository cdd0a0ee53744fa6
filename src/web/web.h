/* pgherald web: takes receipts, tells figures. A process of its own with a database role of its own: what faces a network can't
 * send, and a fault there can't stop deliveries. */
#pragma once

#include <stdint.h>

#include "io/config.h"
#include "io/endpoint.h"

/* Runs until told to stop; takes the endpoint's socket over. config is borrowed; config_path as for config_load(), for reloads.
 * time_limit_usec: for a request to come in. Returns the exit status. */
int web_run(const struct config *config, const char *config_path, const struct endpoint *endpoint, uint64_t time_limit_usec);
