#include "io/address.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

struct network {
    uint8_t prefix[16];
    unsigned bits;
    enum address_kind kind;
};

/* The first network that holds the address decides; what is in none is public. */
static const struct network networks4[] = {
    {{0}, 8, ADDRESS_FORBIDDEN},                      /* unspecified: Linux takes it for this host */
    {{100, 100, 100, 200}, 32, ADDRESS_FORBIDDEN},    /* a cloud's metadata service */
    {{169, 254}, 16, ADDRESS_FORBIDDEN},              /* link-local, and most clouds' metadata services */
    {{192, 0, 0, 192}, 32, ADDRESS_FORBIDDEN},        /* a cloud's metadata service */
    {{224}, 4, ADDRESS_FORBIDDEN},                    /* multicast */
    {{240}, 4, ADDRESS_FORBIDDEN},                    /* reserved, and broadcast */
    {{127}, 8, ADDRESS_LOOPBACK},
    {{10}, 8, ADDRESS_PRIVATE},
    {{172, 16}, 12, ADDRESS_PRIVATE},
    {{192, 168}, 16, ADDRESS_PRIVATE},
    {{100, 64}, 10, ADDRESS_PRIVATE},                 /* shared address space, RFC 6598 */
};

static const struct network networks6[] = {
    {{[15] = 1}, 128, ADDRESS_LOOPBACK},
    {{0}, 128, ADDRESS_FORBIDDEN},
    {{0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54}, 128, ADDRESS_FORBIDDEN}, /* a cloud's metadata service */
    {{0xfd, 0x20, 0x00, 0xce, [14] = 0x02, [15] = 0x54}, 128, ADDRESS_FORBIDDEN}, /* another's */
    {{0xfe, 0x80}, 10, ADDRESS_FORBIDDEN},
    {{0xff}, 8, ADDRESS_FORBIDDEN},
    {{0xfc}, 7, ADDRESS_PRIVATE},
};

/* Where other families of IPv6 addresses carry an IPv4 address. A mapped one is nothing but the IPv4 address; the others are
 * public addresses at best, since a gateway somewhere unpacks them. */
static const struct {
    uint8_t prefix[12];
    unsigned bits;
    size_t offset_bytes;
    bool is_mapped;
} carriers[] = {
    {{[10] = 0xff, [11] = 0xff}, 96, 12, true},
    {{0}, 96, 12, false},                             /* IPv4-compatible */
    {{0x00, 0x64, 0xff, 0x9b}, 96, 12, false},        /* NAT64 */
    {{0x20, 0x02}, 16, 2, false},                     /* 6to4 */
};

static bool has_prefix(const uint8_t *address, const uint8_t *prefix, unsigned bits) {
    unsigned rest = bits % 8;

    if (memcmp(address, prefix, bits / 8) != 0)
        return false;
    return rest == 0 || ((address[bits / 8] ^ prefix[bits / 8]) & (0xff << (8 - rest)) & 0xff) == 0;
}

static enum address_kind look_up(const uint8_t *address, const struct network *networks, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (has_prefix(address, networks[i].prefix, networks[i].bits))
            return networks[i].kind;
    return ADDRESS_PUBLIC;
}

static enum address_kind judge4(const uint8_t *address) {
    return look_up(address, networks4, ELEMENTSOF(networks4));
}

static enum address_kind judge6(const uint8_t *address) {
    enum address_kind kind = look_up(address, networks6, ELEMENTSOF(networks6));

    if (kind != ADDRESS_PUBLIC)
        return kind;
    for (size_t i = 0; i < ELEMENTSOF(carriers); i++) {
        if (!has_prefix(address, carriers[i].prefix, carriers[i].bits))
            continue;
        kind = judge4(address + carriers[i].offset_bytes);
        return carriers[i].is_mapped || kind == ADDRESS_FORBIDDEN ? kind : ADDRESS_PUBLIC;
    }
    return ADDRESS_PUBLIC;
}

enum address_kind address_judge(const struct sockaddr *address, socklen_t address_bytes) {
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    if (address->sa_family == AF_INET && address_bytes >= sizeof(v4)) {
        memcpy(&v4, address, sizeof(v4));
        return judge4((const uint8_t *) &v4.sin_addr);
    }
    if (address->sa_family == AF_INET6 && address_bytes >= sizeof(v6)) {
        memcpy(&v6, address, sizeof(v6));
        return judge6(v6.sin6_addr.s6_addr);
    }
    return ADDRESS_FORBIDDEN;
}

const char *address_refusal(enum address_kind kind, bool with_tls) {
    if (kind == ADDRESS_FORBIDDEN)
        return "no gateway is at a link-local, multicast, unspecified or metadata address";
    if (kind == ADDRESS_PUBLIC && !with_tls)
        return "plain http goes to this machine and to private networks only; use https";
    return NULL;
}

void address_to_string(const struct sockaddr *address, socklen_t address_bytes, char ret_text[static ADDRESS_TEXT_BYTES]) {
    if (getnameinfo(address, address_bytes, ret_text, ADDRESS_TEXT_BYTES, NULL, 0, NI_NUMERICHOST) != 0)
        (void) snprintf(ret_text, ADDRESS_TEXT_BYTES, "?");
}
