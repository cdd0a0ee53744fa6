#include "sandbox/pairing.h"

#include <errno.h>
#include <string.h>

#include "base/backoff.h"
#include "base/clock.h"

enum { SESSIONS_MAX = 64, CODE_USEC = 20 * 1000 * 1000 };

struct on_its_way {
    char session[PATH_PART_BYTES]; /* "": a free place */
    uint64_t seed;
    uint64_t started_usec; /* monotonic */
    uint64_t scanned_usec; /* 0: not yet */
};

struct pairings {
    struct on_its_way places[SESSIONS_MAX];
};

const char *pairing_state_to_string(enum pairing_state state) {
    static const char *const names[] = {
        [PAIRING_CONNECTED] = "connected",
        [PAIRING_CLOSED] = "closed",
        [PAIRING_STARTING] = "starting",
        [PAIRING_WAITING] = "waiting",
    };
    return names[state];
}

int pairings_new(struct pairings **ret) {
    struct pairings *p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    *ret = p;
    return 0;
}

struct pairings *pairings_free(struct pairings *p) {
    free(p);
    return NULL;
}

void pairings_clear(struct pairings *p) {
    *p = (struct pairings) {0};
}

/* The place of that name; "" is a free one. NULL: there is none. */
static struct on_its_way *find(const struct sandbox *s, const char *session) {
    for (size_t i = 0; i < SESSIONS_MAX; i++)
        if (strcmp(s->pairings->places[i].session, session) == 0)
            return &s->pairings->places[i];
    return NULL;
}

enum pairing_state pairing_state(const struct sandbox *s, const char *session, uint64_t patience_usec) {
    const struct on_its_way *o = find(s, session);
    if (!behaviour_is_disconnected(s->behaviour, session))
        return PAIRING_CONNECTED;
    if (!o || o->scanned_usec > 0)
        return PAIRING_CLOSED;
    uint64_t age = clock_monotonic_usec() - o->started_usec;
    if (age < PAIRING_STARTING_USEC)
        return PAIRING_STARTING;
    return patience_usec > 0 && age > patience_usec ? PAIRING_CLOSED : PAIRING_WAITING;
}

/* As those of WhatsApp: four texts of base64, joined by commas. */
static void write_code(uint64_t seed, char ret[static PAIRING_CODE_BYTES]) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static const int sizes[] = {88, 43, 43, 43};
    char part[128];
    size_t size = 0;
    for (size_t p = 0; p < ELEMENTSOF(sizes); p++) {
        for (int i = 0; i < sizes[p]; i++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            part[i] = digits[seed >> 58];
        }
        size += (size_t) snprintf(ret + size, PAIRING_CODE_BYTES - size, "%s%.*s=", p == 0 ? "2@" : ",", sizes[p], part);
    }
}

bool pairing_code(const struct sandbox *s, const char *session, char ret[static PAIRING_CODE_BYTES]) {
    const struct on_its_way *o = find(s, session);
    enum pairing_state state = pairing_state(s, session, 0);
    ret[0] = '\0';
    if (!o || (state == PAIRING_CONNECTED ? o->scanned_usec == 0 : state != PAIRING_WAITING))
        return false;
    uint64_t until = o->scanned_usec > 0 ? o->scanned_usec : clock_monotonic_usec();
    write_code(o->seed + (until - o->started_usec) / CODE_USEC, ret);
    return true;
}

void pairing_start(struct sandbox *s, const char *session) {
    struct on_its_way *o = find(s, session);
    if (!o)
        o = find(s, "");
    if (!o) {
        o = s->pairings->places;
        for (size_t i = 1; i < SESSIONS_MAX; i++)
            if (s->pairings->places[i].started_usec < o->started_usec)
                o = &s->pairings->places[i];
    }
    *o = (struct on_its_way) {.seed = random_u64(), .started_usec = clock_monotonic_usec()};
    (void) snprintf(o->session, sizeof(o->session), "%s", session);
}

static int change(struct sandbox *s, const char *session, bool is_disconnected) {
    struct behaviour *b;
    int r = behaviour_with_session(s->behaviour, session, is_disconnected, &b);
    if (r < 0)
        return r;
    behaviour_free(s->behaviour);
    s->behaviour = b;
    return 0;
}

int pairing_scan(struct sandbox *s, const char *session, const char *code) {
    char shown[PAIRING_CODE_BYTES];
    if (pairing_state(s, session, 0) != PAIRING_WAITING || !pairing_code(s, session, shown))
        return -ENOENT;
    if (code && strcmp(code, shown) != 0)
        return -ESTALE;
    int r = change(s, session, false);
    if (r >= 0)
        find(s, session)->scanned_usec = clock_monotonic_usec();
    return r;
}

int pairing_end(struct sandbox *s, const char *session) {
    struct on_its_way *o = find(s, session);
    if (o)
        *o = (struct on_its_way) {0};
    return behaviour_is_disconnected(s->behaviour, session) ? 0 : change(s, session, true);
}
