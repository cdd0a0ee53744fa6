/* The daemon's calls of the database's functions: the only caller of its named statements. Each starts a query on an idle
 * connection, with pg_query()'s errors; the results are read by the functions below. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "daemon/flight.h"
#include "daemon/inquiries.h"
#include "io/pg.h"

/* What wakes a daemon. */
enum { STORE_WAKE_RUNG, STORE_WAKE_CLOCK, STORE_WAKE_BACKSTOP, STORE_WAKES };

enum { STORE_TIME_LIMIT_USEC = 15 * 1000 * 1000 };

/* The name under which a daemon attends a database. Borrowed. */
enum { STORE_TIMELINE_BYTES = 9 };

struct store_identity {
    const char *node;
    int64_t incarnation; /* 0 until the first join */
    int64_t joins;       /* that herald.join() told last */
    char timeline[STORE_TIMELINE_BYTES]; /* likewise; "" until the first join */
    int64_t last_attempt; /* the highest that was claimed */
};

int store_listen(struct pg *pg, pg_done_fn done, void *userdata) _must_check_;

/* herald.join(): the flights are those in flight or not recorded yet. */
int store_join(struct pg *pg, const struct store_identity *identity, struct flight *const *flights, size_t count,
               pg_done_fn done, void *userdata) _must_check_;

struct store_joined {
    int64_t incarnation, schema_version, given_back, in_doubt, joins;
    const char *timeline; /* into the result */
    int64_t forgotten;    /* attempts, at most; -1: it is the same server as the last time */
};
void store_read_joined(const struct pg_result *result, struct store_joined *ret);

/* herald.turn(): records the outcomes of these flights, and claims up to room. with_replies false leaves the answers' bodies
 * out: for a turn that failed, perhaps because of them. */
int store_turn(struct pg *pg, const struct store_identity *identity, unsigned room, struct flight *const *finished, size_t count,
               bool with_replies, pg_done_fn done, void *userdata) _must_check_;

enum store_row_kind {
    STORE_PLANNED,
    STORE_OPENED,
    STORE_HELD,
    STORE_UNPAIRED,
    STORE_CLAIM,
    STORE_SENDER,
    STORE_ASK,
    STORE_TASK,
    STORE_LEFT,
    STORE_LOOK,
    STORE_OTHER
};

/* A row of herald.turn() or herald.plan_and_claim(). Texts are borrowed, and NULL where they don't belong to the kind. */
struct store_row {
    enum store_row_kind kind;
    const char *sender; /* opened, held, unpaired, claim, ask, sender */
    const char *reason; /* held, unpaired */
    enum purpose purpose; /* ask */
    struct {
        const char *rule, *result, *error;
        int64_t set_aside;
    } planned;
    struct {
        int64_t id, attempt_id;
        const char *target, *body, *detail_json;
        bool is_group;
    } claim;
    struct {
        const char *gateway, *base_url, *credential, *account;
    } account; /* of a sender */
    struct {
        const char *rule;
        bool is_sweep;
        bool is_urgent; /* goes before other rules */
        uint64_t time_limit_usec;
    } task;
    int64_t met; /* left: so many due rows were met */
    struct {
        int64_t next_usec; /* until the next thing is due by the clock; -1: nothing is */
        uint64_t xmin;
        bool polls;
        int64_t schema_version;
        uint64_t request_limit_usec;
        int64_t sequence;
    } look;
};
/* Of the first rows of a turn: the attempt whose outcome was not recorded, as its row is locked; 0: the row is another. */
int64_t store_read_again(const struct pg_result *result, size_t row);
void store_read_row(const struct pg_result *result, size_t row, struct store_row *ret);

/* herald.tell(): what gateways answered; yields rows opened, held and unpaired. */
int store_tell(struct pg *pg, const struct inquiry *answers, pg_done_fn done, void *userdata) _must_check_;
void store_read_told(const struct pg_result *result, size_t row, struct store_row *ret);

int store_attend(struct pg *pg, const struct store_identity *identity, unsigned asleep_sec, pg_done_fn done, void *userdata)
        _must_check_;
/* herald.backstop(). */
int store_renew(struct pg *pg, const struct store_identity *identity, unsigned asleep_sec, const uint64_t wakes[STORE_WAKES],
                pg_done_fn done, void *userdata) _must_check_;
int store_take_horizon(struct pg *pg, pg_done_fn done, void *userdata) _must_check_;
uint64_t store_read_horizon(const struct pg_result *result);

/* herald.leave(): the flights were claimed and not sent. */
int store_leave(struct pg *pg, const struct store_identity *identity, struct flight *const *unsent, size_t count, pg_done_fn done,
                void *userdata) _must_check_;

/* Planner connections. rule "": whichever has captured events. */
int store_commit_asynchronously(struct pg *pg, pg_done_fn done, void *userdata) _must_check_;
/* Terminates the session of that process of the server's, where it is one of this role's. */
int store_end_session(struct pg *pg, int backend, pg_done_fn done, void *userdata) _must_check_;

int store_prove_bell(struct pg *pg, const char *nonce, pg_done_fn done, void *userdata) _must_check_;
int store_set_time_limit(struct pg *pg, uint64_t time_limit_usec, pg_done_fn done, void *userdata) _must_check_;
int store_plan(struct pg *pg, const char *rule, bool is_sweep, unsigned batch, uint64_t time_limit_usec, pg_done_fn done,
               void *userdata) _must_check_;
/* herald.plan_and_claim(): its rows are read by store_read_row(). Stale: it was asked for at asked_usec (monotonic), and is read so
 * late that what it claimed may be another's by now: this process was stopped meanwhile. (A turn's answer has a time limit.) */
bool store_is_stale(const struct pg_result *result, uint64_t asked_usec);
int store_plan_and_claim(struct pg *pg, const struct store_identity *identity, unsigned room, unsigned batch,
                         uint64_t time_limit_usec, pg_done_fn done, void *userdata) _must_check_;
int store_plan_failed(struct pg *pg, const char *rule, bool is_sweep, const char *why, pg_done_fn done, void *userdata)
        _must_check_;

struct store_planned {
    const char *result; /* "done", "busy", "paused", "failed", "flood" */
    const char *rule; /* that was planned; "" where none was */
    const char *error;
    const char *took;
    bool more;
    int64_t found, fresh, known, suppressed, failed, set_aside;
};
void store_read_planned(const struct pg_result *result, struct store_planned *ret);
