#include "daemon/bell.h"

enum {
    AWAKE_PAUSE_MIN_USEC = 2 * 1000,
    AWAKE_PAUSE_MAX_USEC = 16 * 1000,
    AWAKE_LINGER_USEC = 2 * 1000 * 1000,
    DOZE_MIN_USEC = 10 * 1000,
    DOZE_MAX_USEC = 1000 * 1000,
    POLL_USEC = 1000 * 1000,
    BUSY_SPAN_USEC = 1000 * 1000,
    BUSY_EVENTS = 150, /* so many events within the span, and it is worth while to stay up: writers need not ring */
};

void bell_start(struct bell *b, uint64_t now) {
    *b = (struct bell) {.state = BELL_AWAKE, .rung = true, .pause_usec = AWAKE_PAUSE_MIN_USEC};
    b->look_at = now;
    b->renew_at = now + BELL_BACKSTOP_USEC;
    b->busy_since = now;
    b->sequence = -1;
    /* Quiet until proven busy: the first look that finds nothing lets it lie down. */
    b->stir_at = now > AWAKE_LINGER_USEC ? now - AWAKE_LINGER_USEC : 0;
}

bool bell_is_down(const struct bell *b) {
    return b->state == BELL_NO_HORIZON || b->state == BELL_DOZING || b->state == BELL_ASLEEP;
}

enum bell_action bell_next(const struct bell *b, uint64_t now) {
    switch (b->state) {
    case BELL_LYING_DOWN:
        return BELL_SAY_ASLEEP;
    case BELL_NO_HORIZON:
        return BELL_TAKE_HORIZON;
    case BELL_GETTING_UP:
        return BELL_SAY_AWAKE;
    default:
        break;
    }
    if (b->rung || now >= b->look_at)
        return BELL_LOOK;
    return now >= b->renew_at ? BELL_RENEW : BELL_WAIT;
}

uint64_t bell_next_usec(const struct bell *b) {
    return b->look_at < b->renew_at ? b->look_at : b->renew_at;
}

void bell_rang(struct bell *b) {
    b->rung = true;
}

void bell_looks(struct bell *b) {
    b->rung = false;
}

static bool is_busy(struct bell *b, uint64_t now, int64_t events) {
    if (now - b->busy_since > BUSY_SPAN_USEC) {
        b->busy_since = now;
        b->busy_events = 0;
    }
    b->busy_events += events;
    return b->busy_events >= BUSY_EVENTS;
}

static void looked_awake(struct bell *b, uint64_t now, bool found, bool stirred) {
    if (stirred)
        b->stir_at = now;
    if (found) {
        b->pause_usec = AWAKE_PAUSE_MIN_USEC;
    } else if (b->pause_usec < AWAKE_PAUSE_MAX_USEC) {
        b->pause_usec *= 2;
    }
    b->look_at = now + b->pause_usec;
    if (now - b->stir_at >= AWAKE_LINGER_USEC)
        b->state = BELL_LYING_DOWN;
}

static void looked_dozing(struct bell *b, uint64_t now, uint64_t xmin) {
    if (xmin >= b->horizon) {
        b->state = BELL_ASLEEP;
        b->look_at = now + (b->polls ? POLL_USEC : UINT64_C(365) * 24 * 3600 * USEC_PER_SEC);
        return;
    }
    b->look_at = now + b->doze_usec;
    b->doze_usec = b->doze_usec * 2 > DOZE_MAX_USEC ? DOZE_MAX_USEC : b->doze_usec * 2;
}

void bell_looked(struct bell *b, uint64_t now, uint64_t xmin, int64_t sequence, bool found, bool polls) {
    int64_t events = b->sequence < 0 ? 0 : sequence - b->sequence;
    bool stirred = found || sequence != b->sequence;

    b->polls = polls;
    b->sequence = sequence;
    if (b->state == BELL_AWAKE) {
        looked_awake(b, now, found, stirred);
    } else if (is_busy(b, now, events)) {
        b->state = BELL_GETTING_UP;
        b->stir_at = now;
    } else {
        looked_dozing(b, now, xmin);
    }
}

void bell_look_failed(struct bell *b, uint64_t now) {
    b->look_at = now + POLL_USEC;
}

void bell_said(struct bell *b, uint64_t now) {
    b->renew_at = now + BELL_BACKSTOP_USEC;
    if (b->state == BELL_LYING_DOWN) {
        b->state = BELL_NO_HORIZON;
    } else if (b->state == BELL_GETTING_UP) {
        b->state = BELL_AWAKE;
        b->pause_usec = AWAKE_PAUSE_MIN_USEC;
        b->look_at = now;
        b->busy_events = 0;
    }
}

void bell_renewed(struct bell *b, uint64_t now) {
    b->renew_at = now + BELL_BACKSTOP_USEC;
    b->rung = true; /* the backstop's look */
}

void bell_took_horizon(struct bell *b, uint64_t now, uint64_t horizon) {
    b->state = BELL_DOZING;
    b->horizon = horizon;
    b->doze_usec = DOZE_MIN_USEC;
    b->look_at = now;
}
