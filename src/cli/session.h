/* The row of herald.sessions of one sender, followed until what a person wanted of it came to an end. */
#pragma once

#include "cli/cli.h"

struct session {
    struct pg_result *row; /* owned; the texts below are in it */
    const char *state;     /* "pairing", "disconnecting", …; "": there is no such row */
    const char *code;      /* NULL: none to scan now */
    const char *reason;
    int64_t left_sec;      /* until the time is up, at least 0 */
    bool is_told;          /* what came of it; else it goes on, or nobody is left to tell */
};

/* Calls herald.pair() or herald.unpair(), then shows the row every half second, until a daemon has told what came of it (*ret,
 * for session_done()), or none did in time. -EINTR: Ctrl-C, and *ret is the last row that was seen. -EIO: it was said what
 * failed. */
int session_follow(struct cli *cli, enum query want, const char *sender,
                   void (*show)(const struct session *session, void *userdata), void *userdata, struct session *ret) _must_check_;
void session_done(struct session *session);

/* To standard error, where the reason is another one than before (kept in last): what is under way. */
void session_say(const char *sender, const struct session *session, struct buf *last);

/* Why it came to no good end, for an error text; static, or of the row. */
const char *session_fault(const struct session *session);
