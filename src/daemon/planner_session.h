/* One connection of the planner's pool: made again with back-off whenever it is lost, and told what planning needs. What a lost one
 * may have left running on the server is ended first. */
#pragma once

#include <systemd/sd-event.h>

#include "base/cleanup.h"
#include "io/pg.h"

struct planner_session;

struct planner_session_handler {
    /* Statements may be run on it. */
    void (*on_ready)(void *userdata);
    /* It is lost, or could not be made; what ran on it gets no answer. */
    void (*on_lost)(const struct pg_error *error, void *userdata);
};

/* handler is copied. */
int planner_session_new(sd_event *event, const char *conninfo, const struct planner_session_handler *handler, void *userdata,
                        struct planner_session **ret) _must_check_;
struct planner_session *planner_session_free(struct planner_session *s);
DEFINE_CLEANUP(struct planner_session *, planner_session_free)

int planner_session_start(struct planner_session *s) _must_check_;

/* Once it is lost, it is not made again. */
void planner_session_stop(struct planner_session *s);

/* To run statements on, between on_ready and on_lost. */
struct pg *planner_session_pg(struct planner_session *s);
