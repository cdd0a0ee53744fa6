/* The bell: when the daemon looks by itself, when it sleeps until it is rung for, and how it falls asleep without losing a
 * wake-up. A state machine without I/O: the dispatcher asks it what to do next, and tells it what came of it.
 *
 * Awake, the daemon looks every few milliseconds, and no writer rings. Two seconds without an event, and it falls asleep:
 *   1. it says so (asleep_until), and commits;
 *   2. in a new transaction it takes a horizon, a transaction id: every writer that looked before step 1 had its own id by then,
 *      below the horizon;
 *   3. it looks again and again, 10 ms doubling to 1 s. Each look reads xmin first: only one whose xmin was at or above the
 *      horizon has seen all those writers, and may be the last. Every later writer rings.
 * Asleep, it looks when it is rung for, when something is due by the clock, and every 30 s as the backstop; every second where
 * the bell can't be relied on. Where many events come, it says that it is awake, so that nobody need ring. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

enum {
    BELL_BACKSTOP_USEC = 30 * 1000 * 1000,
    BELL_ASLEEP_SEC = 75, /* how long one saying so holds: two backstops, and some */
};

enum bell_action {
    BELL_WAIT,         /* until bell_next_usec() */
    BELL_LOOK,         /* a turn */
    BELL_SAY_ASLEEP,   /* herald.attend(…, BELL_ASLEEP_SEC) */
    BELL_TAKE_HORIZON, /* herald.horizon() */
    BELL_SAY_AWAKE,    /* herald.attend(…, 0) */
    BELL_RENEW,        /* herald.backstop(…) */
};

enum bell_state { BELL_AWAKE, BELL_LYING_DOWN, BELL_NO_HORIZON, BELL_DOZING, BELL_ASLEEP, BELL_GETTING_UP };

struct bell {
    enum bell_state state;
    bool polls;          /* the bell can't be relied on */
    bool rung;           /* since the last look began */
    uint64_t horizon;    /* of a doze */
    uint64_t doze_usec;  /* the next pause between its looks */
    uint64_t pause_usec; /* the next pause between looks while awake */
    uint64_t look_at;    /* the next look, by the monotonic clock */
    uint64_t renew_at;
    uint64_t stir_at;    /* when something last happened */
    int64_t sequence;    /* the last number of the events' sequence that was seen */
    uint64_t busy_since; /* the span in which events are counted */
    int64_t busy_events;
};

/* After each (re)connect and join, which says that the daemon is awake: everything starts over. */
void bell_start(struct bell *b, uint64_t now);

/* What to do next. BELL_RENEW comes only when nothing else is due. */
enum bell_action bell_next(const struct bell *b, uint64_t now);

/* When bell_next() will say something else than BELL_WAIT, if nothing happens. */
uint64_t bell_next_usec(const struct bell *b);

/* It was rung, or somebody in this process knows that there is something to find. */
void bell_rang(struct bell *b);

/* A look begins: what rings from here on asks for another. */
void bell_looks(struct bell *b);

/* A look ended: the xmin that it read first, the events' sequence, whether it found work, whether the bell can't be relied on. */
void bell_looked(struct bell *b, uint64_t now, uint64_t xmin, int64_t sequence, bool found, bool polls);

/* A look failed: another in a second. */
void bell_look_failed(struct bell *b, uint64_t now);

/* BELL_SAY_ASLEEP, BELL_SAY_AWAKE or BELL_RENEW was committed. */
void bell_said(struct bell *b, uint64_t now);
void bell_renewed(struct bell *b, uint64_t now);
void bell_took_horizon(struct bell *b, uint64_t now, uint64_t horizon);

/* Whether writers believe that it sleeps: what a renewal must say. */
bool bell_is_down(const struct bell *b);
