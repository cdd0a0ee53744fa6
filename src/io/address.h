/* Which network addresses a request may go to. Pure: it judges the address that was resolved, so that no spelling of a host
 * name, and no name server, can lead elsewhere. */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

enum { ADDRESS_TEXT_BYTES = 48 };

enum address_kind {
    ADDRESS_FORBIDDEN, /* link-local, unspecified, multicast, reserved, or a cloud's metadata service */
    ADDRESS_LOOPBACK,
    ADDRESS_PRIVATE, /* RFC 1918, RFC 6598, and their like in IPv6 */
    ADDRESS_PUBLIC,
};

/* What kind of address it is; an IPv6 address that carries an IPv4 address (mapped, compatible, NAT64, 6to4) is judged by
 * the stricter of both. Families other than IPv4 and IPv6 are forbidden. */
enum address_kind address_judge(const struct sockaddr *address, socklen_t address_bytes);

/* Why a request may not go there: without TLS it goes to loopback and private addresses only, with TLS to all that are not
 * forbidden. NULL where it may; else static text that completes "ADDRESS is not allowed: …". */
const char *address_refusal(enum address_kind kind, bool with_tls);

/* The address as text, or "?". */
void address_to_string(const struct sockaddr *address, socklen_t address_bytes, char ret_text[static ADDRESS_TEXT_BYTES]);
