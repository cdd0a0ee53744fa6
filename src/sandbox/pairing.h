/* The sessions of WhatsApp Web that a behaviour sets disconnected, on their way back: started, then waiting for somebody to scan a
 * QR code that changes every so often. All others are connected. */
#pragma once

#include "sandbox/contract.h"

enum {
    PAIRING_CODE_BYTES = 256,
    PAIRING_STARTING_USEC = 300 * 1000, /* so long a session takes to start */
};

enum pairing_state { PAIRING_CONNECTED, PAIRING_CLOSED, PAIRING_STARTING, PAIRING_WAITING };

/* "connected", "closed", "starting", "waiting". */
const char *pairing_state_to_string(enum pairing_state state);

struct pairings;

int pairings_new(struct pairings **ret) _must_check_;
struct pairings *pairings_free(struct pairings *p);
DEFINE_CLEANUP(struct pairings *, pairings_free)

/* Nothing is on its way: the behaviour is another one. */
void pairings_clear(struct pairings *p);

/* patience_usec: for how long the gateway shows QR codes before it closes the session again; 0: for ever. */
enum pairing_state pairing_state(const struct sandbox *s, const char *session, uint64_t patience_usec);

/* What its QR code says: the one to scan, or of a connected session the one that was scanned. False, and "": there is none. */
bool pairing_code(const struct sandbox *s, const char *session, char ret[static PAIRING_CODE_BYTES]);

/* A disconnected session is started, also one that waits. Of too many on their way the oldest is forgotten. */
void pairing_start(struct sandbox *s, const char *session);

/* Somebody scans its code (NULL: whichever it shows). -ENOENT: it shows none; -ESTALE: it shows another. */
int pairing_scan(struct sandbox *s, const char *session, const char *code) _must_check_;

/* Logged out: it is disconnected. */
int pairing_end(struct sandbox *s, const char *session) _must_check_;
