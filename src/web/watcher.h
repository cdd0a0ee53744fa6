/* What the web process asks of the database beside receipts, on a connection of its own, so that neither waits for the other: whose
 * webhooks are taken, the figures for Prometheus, and a look at receipts that came early. */
#pragma once

#include <systemd/sd-event.h>

#include "base/buf.h"
#include "web/senders.h"

struct watcher;

struct watcher_handler {
    /* The senders were read for the first time, or anew. */
    void (*on_senders)(void *userdata);
    /* Text for a person: a secret that can't be had, a database that can't be asked. Told once, until it changes. */
    void (*on_problem)(const char *text, void *userdata);
};

/* credentials_dir is borrowed. */
int watcher_new(sd_event *event, const char *conninfo, const char *credentials_dir, const struct watcher_handler *handler,
                void *userdata, struct watcher **ret) _must_check_;

/* Whoever waits for figures is told that there are none. NULL is allowed. */
struct watcher *watcher_free(struct watcher *w);
DEFINE_CLEANUP(struct watcher *, watcher_free)

/* NULL until they have been read. Borrowed until the loop goes on. */
const struct senders *watcher_senders(const struct watcher *w);

/* Reads senders and secrets now; credentials_dir from now on, borrowed. */
void watcher_reload(struct watcher *w, const char *credentials_dir);

/* A webhook could not be recorded: as if the process had been away. */
void watcher_missed(struct watcher *w);

/* In whoever waits for figures; told once: in Prometheus' text format, or NULL where the database does not answer. */
struct watcher_request {
    void (*done)(const char *figures, void *userdata);
    void *userdata;
    struct watcher_request *next;
};
void watcher_ask_figures(struct watcher *w, struct watcher_request *request);
