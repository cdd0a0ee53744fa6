/* HTTP transfers and mails on an sd-event loop. HTTP/1.1, and HTTP/2 over TLS where offered; SMTP, with a connection for each
 * mail, for requests whose URL is smtp:// or smtps://.
 *
 * What it guarantees: a request is on the wire at most once (libcurl's own re-send on a kept connection that broke is stopped
 * before its first byte, and would be noticed); no redirect is followed, no proxy of the environment used, nothing
 * decompressed; an answer is at most REPLY_BODY_BYTES_MAX; every transfer ends within its time limit. Plain http goes to
 * loopback and private addresses only, judged by the address that was resolved; link-local addresses (cloud metadata) are
 * refused always. A mail that goes further than that waits for STARTTLS, and is not sent, nor logged in for, without it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/cleanup.h"
#include "io/exchange.h"
#include "io/request.h"

struct http;

/* connections_max: most connections, all hosts together; what finds none free waits for one, within its time limit. HTTP/1.1
 * needs one for each transfer in flight, and waiting costs more processor time than a connection does. A file named by
 * $SSL_CERT_FILE holds further certificate authorities. */
int http_new(sd_event *event, unsigned connections_max, struct http **ret) _must_check_;

/* Drops what is in flight without calling back. NULL is allowed. Never from inside a callback. */
struct http *http_free(struct http *h);
DEFINE_CLEANUP(struct http *, http_free)

/* Called once for every transfer that was started, from the event loop, never from inside http_start. The reply is borrowed
 * until it returns. It may start further transfers. */
typedef void (*http_done_fn)(const struct reply *reply, void *userdata);

/* Starts a transfer; the request is copied or taken over as needed, and may be freed when this returns. time_limit_usec: for
 * the whole transfer, waiting included; at most a day. -EINVAL: the request is not fit to be sent (URL, method, a control byte
 * in a header). On a negative errno nothing was started and done is not called. */
int http_start(struct http *h, const struct request *request, uint64_t time_limit_usec, http_done_fn done, void *userdata)
        _must_check_;

/* The same; the body of a 2xx goes to the sink as it comes in, from the event loop, and is not in the reply. A negative errno of
 * the sink ends the transfer, whose reply is then not complete. */
int http_start_streamed(struct http *h, const struct request *request, uint64_t time_limit_usec, exchange_sink_fn sink,
                        http_done_fn done, void *userdata) _must_check_;

/* How many transfers are in flight. */
unsigned http_in_flight(const struct http *h);
