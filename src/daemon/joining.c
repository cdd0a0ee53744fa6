/* Losing the database, and finding it again: connect, LISTEN, join; then the dispatcher takes its turns. */
#include "daemon/dispatcher_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

static void reconnect_later(struct dispatcher *d) {
    (void) sd_event_source_set_time(d->reconnect, clock_monotonic_usec() + backoff_next_usec(&d->backoff, random_u64()));
    (void) sd_event_source_set_enabled(d->reconnect, SD_EVENT_ONESHOT);
}

static void lost(struct dispatcher *d, const char *why) {
    const struct log_field fields[] = {{"PGHERALD_REASON", why}, {0}};
    bool is_news = !d->was_lost;

    d->was_lost = true;
    d->nonce[0] = '\0';
    d->stage = STAGE_AWAY;
    d->recording = 0;
    d->suspect[0] = '\0';
    d->record_most = SIZE_MAX;
    reconnect_later(d);
    d->handler.on_away(why, d->userdata);
    if (is_news)
        log_event(LOG_EVENT_DATABASE_LOST, LOG_WARNING, fields,
                  "the database is away; what is in flight goes on, and everything else when it is back");
}

void joining_start_over(struct dispatcher *d, const char *why) {
    pg_disconnect(d->pg);
    lost(d, why);
}

void joining_on_lost(_unused_ struct pg *pg, const struct pg_error *error, void *userdata) {
    struct dispatcher *d = userdata;

    if (strcmp(error->sqlstate, PG_BAD_CONNINFO) == 0)
        d->handler.on_unfit(error->text, d->userdata);
    else
        lost(d, error->text);
}

int joining_on_reconnect(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
    struct dispatcher *d = userdata;

    if (pg_connect(d->pg) < 0)
        reconnect_later(d);
    return 0;
}

/* SQLSTATEs of a database without our functions. */
static bool is_unmigrated(const char *sqlstate) {
    return strcmp(sqlstate, "3F000") == 0 || strcmp(sqlstate, "42883") == 0 || strcmp(sqlstate, "42P01") == 0;
}

static void unfit(struct dispatcher *d, const char *reason) {
    d->handler.on_unfit(reason, d->userdata);
}

bool joining_check_schema(struct dispatcher *d, int64_t version) {
    char reason[256];

    if (version == d->options.schema_version)
        return true;
    if (version > d->options.schema_version)
        (void) snprintf(reason, sizeof(reason), "the database has schema %" PRId64 ", and this pgherald knows %" PRId64
                        ": upgrade pgherald", version, d->options.schema_version);
    else
        (void) snprintf(reason, sizeof(reason), "the database has schema %" PRId64 ", and this pgherald needs %" PRId64
                        ": run pgherald migrate", version, d->options.schema_version);
    unfit(d, reason);
    return false;
}

static void join_failed(struct dispatcher *d, const struct pg_error *error) {
    if (d->identity.incarnation == 0 && strcmp(error->sqlstate, "HR002") == 0)
        unfit(d, error->text);
    else if (is_unmigrated(error->sqlstate))
        unfit(d, "the database has no schema of pgherald: run pgherald migrate");
    else if (strcmp(error->sqlstate, "42501") == 0)
        unfit(d, "this role may not run the daemon: GRANT herald_daemon TO it, in this database");
    else
        joining_start_over(d, error->text);
}

static void on_joined(_unused_ struct pg *pg, const struct pg_result *result, const struct pg_error *error, void *userdata) {
    struct dispatcher *d = userdata;
    struct store_joined joined;

    if (error) {
        join_failed(d, error);
        return;
    }
    store_read_joined(result, &joined);
    if (!joining_check_schema(d, joined.schema_version) && !d->is_draining)
        return; /* where it drains, what was in flight is still recorded */
    if (joined.forgotten >= 0)
        log_event(LOG_EVENT_DATABASE_BACK, LOG_WARNING, NULL,
                  "another database server answers now, and may not have received all that the last one knew: %" PRId64
                  " messages are in doubt for that, and up to %" PRId64 " may be sent again without a mark",
                  joined.in_doubt, joined.forgotten);
    else if (joined.given_back + joined.in_doubt > 0)
        log_event(LOG_EVENT_RESCUED, LOG_NOTICE, NULL, "%" PRId64 " messages claimed in a lost answer go back; %" PRId64
                  " of an earlier daemon of this node are in doubt", joined.given_back, joined.in_doubt);
    if (d->was_lost)
        log_event(LOG_EVENT_DATABASE_BACK, LOG_NOTICE, NULL, "the database is back");
    d->was_lost = false;
    d->identity.incarnation = joined.incarnation;
    d->identity.joins = joined.joins;
    (void) snprintf(d->identity.timeline, sizeof(d->identity.timeline), "%s", joined.timeline);
    d->stage = STAGE_TURNING;
    d->failed_turns = 0;
    d->held_off_until = 0;
    d->due_at = UINT64_MAX;
    backoff_reset(&d->backoff);
    bell_start(&d->bell, clock_monotonic_usec());
    d->handler.on_joined(d->userdata);
    dispatcher_pump(d);
}

static void on_listening(struct pg *pg, _unused_ const struct pg_result *result, const struct pg_error *error, void *userdata) {
    struct dispatcher *d = userdata;
    struct flight **flights;
    size_t count;
    int r;

    if (error) {
        joining_start_over(d, error->text);
        return;
    }
    d->stage = STAGE_JOINING;
    fleet_all(d->fleet, &flights, &count);
    d->identity.last_attempt = fleet_last_attempt(d->fleet);
    r = store_join(pg, &d->identity, flights, count, on_joined, d);
    if (r < 0)
        joining_start_over(d, strerror(-r));
}

void joining_on_connected(struct pg *pg, void *userdata) {
    struct dispatcher *d = userdata;

    d->stage = STAGE_LISTENING;
    if (store_listen(pg, on_listening, d) < 0)
        joining_start_over(d, "no memory");
}
