#include "cli/session.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"

enum {
    LOOK_USEC = 500 * 1000,
    GRACE_SEC = 10, /* after its time, for a daemon to say what came of it */
};

enum { STATE, CODE, REASON, LEFT };

#define CANCELLED "57014"

void session_done(struct session *s) {
    s->row = pg_result_free(s->row);
}

/* -EINTR also where it came while the statement ran, and cancelled it. */
static int query(struct cli *cli, enum query query, const char *sender, struct pg_result **ret) {
    const char *parameters[] = {sender};
    struct pg_error error;

    if (cli_connect(cli) < 0)
        return -EIO;
    if (pg_wait_query(cli->pg, query, parameters, ret, &error) >= 0)
        return 0;
    if (strcmp(error.sqlstate, CANCELLED) == 0)
        return -EINTR;
    (void) cli_database_error(cli->verb->name, &error);
    return -EIO;
}

static int look(struct cli *cli, const char *sender, struct session *s, int64_t *ret_left_sec) {
    struct pg_result *row = NULL;
    int r = query(cli, QUERY_CLI_SESSION, sender, &row);

    if (r < 0)
        return r;
    session_done(s);
    *s = (struct session) {.row = row, .state = "", .is_told = true};
    if (pg_rows(row) == 0)
        return 0;
    *ret_left_sec = pg_int(row, 0, LEFT, 0);
    s->state = pg_text(row, 0, STATE);
    s->code = pg_text(row, 0, CODE);
    s->reason = pg_text(row, 0, REASON);
    s->left_sec = *ret_left_sec > 0 ? *ret_left_sec : 0;
    s->is_told = !pg_text(row, 0, LEFT);
    return 0;
}

int session_follow(struct cli *cli, enum query want, const char *sender,
                   void (*show)(const struct session *session, void *userdata), void *userdata, struct session *ret) {
    const char *own = want == QUERY_CLI_PAIR ? "pairing" : "disconnecting", *other = *own == 'p' ? "disconnecting" : "pairing";
    struct pg_result *nothing = NULL;
    int64_t left_sec = 0;
    int r;

    *ret = (struct session) {.state = own};
    cli_hold_interrupts();
    r = query(cli, want, sender, &nothing);
    pg_result_free(nothing);
    for (; r >= 0; r = cli_pause(cli, LOOK_USEC)) {
        r = look(cli, sender, ret, &left_sec);
        if (r < 0 || ret->is_told || strcmp(ret->state, other) == 0 || left_sec < -GRACE_SEC)
            break;
        show(ret, userdata);
    }
    return r;
}

void session_say(const char *sender, const struct session *s, struct buf *last) {
    _cleanup_(buf_done) struct buf line = BUF_MAX(8 * 1024);

    if (!s->reason || strcmp(s->reason, buf_string(last)) == 0)
        return;
    buf_clear(last);
    (void) buf_append_string(last, s->reason);
    (void) buf_printf(&line, "%s: %s", sender, s->reason);
    cli_print_text(stderr, buf_string(&line));
}

const char *session_fault(const struct session *s) {
    if (!*s->state)
        return "there is no such session any more";
    if (!s->is_told && s->left_sec > 0)
        return "somebody wants something else of it now";
    if (!s->is_told)
        return "its time is up, and no daemon told what came of it; does pgherald run?";
    return s->reason ? s->reason : "nothing was told of it";
}
