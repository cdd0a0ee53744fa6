/* HTTP for pgherald web: the only user of libmicrohttpd here. Reads requests whole and hands them over; everything is bounded:
 * connections, the bytes of one request and of all together, and the time in which a request must have come in. Where it gets
 * crowded, the connection that has kept us waiting for longest goes. */
#pragma once

#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/buf.h"
#include "base/cleanup.h"

enum {
    SERVER_CONNECTIONS_MAX = 256,
    SERVER_REQUEST_BYTES_MAX = 3 * 1024 * 1024,
    SERVER_BODIES_BYTES_MAX = 48 * 1024 * 1024, /* of all requests together */
};

struct server;
struct server_request;

struct server_handler {
    /* The head has come: 0 to read the body, or the status with which to refuse it. */
    unsigned (*on_head)(struct server_request *request, void *userdata);
    /* All of it has come. server_answer() follows, now or later. */
    void (*on_request)(struct server_request *request, void *userdata);
};

/* Serves on the listening socket, which it takes over (also on failure). time_limit_usec: for a request to come in. */
int server_new(sd_event *event, int socket_fd, uint64_t time_limit_usec, const struct server_handler *handler, void *userdata,
               struct server **ret) _must_check_;

/* Closes all connections. Every request that was handed over must have been answered. NULL is allowed. */
struct server *server_free(struct server *s);
DEFINE_CLEANUP(struct server *, server_free)

/* Takes no more connections. */
void server_quiesce(struct server *s);

const char *server_method(const struct server_request *r);
/* Percent signs undone, without the query. Foreign text. */
const char *server_path(const struct server_request *r);
/* NULL where there is none. Foreign text. */
const char *server_header(const struct server_request *r, const char *name);
const char *server_argument(const struct server_request *r, const char *name);
const struct buf *server_body(const struct server_request *r);

/* Answers, once; the request is not to be used any more. body is copied. */
void server_answer(struct server_request *r, unsigned status, const char *content_type, const char *body);

/* Answers so far: their statuses and how often each was given; returns how many different ones. */
struct server_count {
    unsigned status;
    uint64_t n;
};
enum { SERVER_COUNTS_MAX = 16 };
size_t server_counts(const struct server *s, struct server_count ret[static SERVER_COUNTS_MAX]);
