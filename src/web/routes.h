/* The pages of pgherald web, and what each does. */
#pragma once

#include "web/intake.h"
#include "web/server.h"
#include "web/watcher.h"

struct routes {
    struct server *server;   /* all borrowed */
    struct intake *intake;
    struct watcher *watcher;
    bool is_stopping;
    /* Somebody sent a webhook that is not signed with the secret of any app, or asked for the handshake with another token. */
    void (*on_forged)(void *userdata);
    void *userdata;
};

/* For server_new(); userdata is a struct routes. */
extern const struct server_handler routes_handler;

/* Whether webhooks are taken now. */
bool routes_are_ready(const struct routes *r);
