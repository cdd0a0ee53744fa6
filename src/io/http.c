#include "io/http.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "io/exchange.h"
#include "io/watch.h"
#include "io/wire.h"

/* One transfer, with a wire whose options were set once. In flight it is in the list http.active, else in http.idle. */
struct transfer {
    struct http *http;
    LIST_ENTRY(transfer) list;
    LIST_ENTRY(transfer) talkers; /* of a mail after the log-in: in http.talking */
    struct wire *wire;
    http_done_fn done;
    void *userdata;
    int socket; /* of a talker */
    bool is_talking, has_ended;
    struct exchange exchange;
};

LIST_HEAD(transfers, transfer);

struct http {
    struct watch *watch;
    struct wires *wires;
    struct transfers active;
    struct transfers idle;
    struct transfers talking;
    unsigned in_flight;
};

static struct transfer *transfer_free(struct transfer *t) {
    if (!t)
        return NULL;
    wire_free(t->wire);
    exchange_done(&t->exchange);
    free(t);
    return NULL;
}
DEFINE_CLEANUP(struct transfer *, transfer_free)

static int transfer_new(struct http *h, struct transfer **ret) {
    _cleanup_(transfer_freep) struct transfer *t = calloc(1, sizeof(*t));
    int r;

    if (!t)
        return -ENOMEM;
    t->http = h;
    exchange_init(&t->exchange);
    r = wire_new(h->wires, &t->exchange, t, &t->wire);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(t);
    return 0;
}

/* What carried a mail knows its log-in, and is not kept. */
static void put_away(struct transfer *t) {
    bool was_mail = t->exchange.is_mail;

    exchange_clear(&t->exchange);
    if (was_mail)
        transfer_free(t);
    else
        LIST_INSERT_HEAD(&t->http->idle, t, list);
}

static void finish(struct transfer *t, bool is_expired) {
    struct http *h = t->http;
    struct exchange_result result;
    struct reply reply;

    wire_describe(t->wire, &result);
    if (t->is_talking) {
        LIST_REMOVE(t, talkers);
        result.end = EXCHANGE_TALK;
        result.detail = "the connection ended";
    }
    if (is_expired)
        result.end = EXCHANGE_EXPIRED;
    exchange_describe(&t->exchange, &result, &reply);
    wire_stop(t->wire);
    LIST_REMOVE(t, list);
    h->in_flight--;
    t->done(&reply, t->userdata);
    put_away(t);
}

/* ---- A mail's conversation ---- */

/* What has come. False: nothing more will. */
static bool hear(struct transfer *t, bool *ret_has_moved) {
    char bytes[4096];
    ssize_t n = wire_receive(t->wire, bytes, sizeof(bytes));

    if (n == -EAGAIN)
        return true;
    if (n <= 0)
        return false;
    mail_hear(&t->exchange.mail, bytes, (size_t) n);
    *ret_has_moved = true;
    return true;
}

/* What is to be said. False: nobody takes it any more; what was said before that is still to be heard. */
static bool say(struct transfer *t, bool *ret_has_moved) {
    const char *words;
    size_t size = mail_words(&t->exchange.mail, &words);
    ssize_t n = size > 0 ? wire_send(t->wire, words, size) : -EAGAIN;

    if (n > 0)
        mail_said(&t->exchange.mail, (size_t) n);
    *ret_has_moved = *ret_has_moved || n > 0;
    return n >= 0 || n == -EAGAIN;
}

/* Goes on until the other side is to speak or to take. Ends in http's reap(), as a callback may do what it wants. */
static void talk(struct transfer *t) {
    const struct mail *m = &t->exchange.mail;
    bool is_there = true, has_moved = true;
    const char *words;

    while (!m->is_over && is_there && has_moved) {
        has_moved = false;
        is_there = hear(t, &has_moved);
        if (is_there && !m->is_over && !say(t, &has_moved))
            is_there = hear(t, &has_moved) && has_moved;
    }
    t->has_ended = m->is_over || !is_there;
    if (m->is_over)
        (void) wire_send(t->wire, "QUIT\r\n", 6); /* for politeness: nobody waits for the answer */
    if (!t->has_ended)
        (void) watch_set(t->http->watch, t->socket, EPOLLIN | (mail_words(m, &words) > 0 ? EPOLLOUT : 0));
}

static void begin_talk(struct transfer *t) {
    struct exchange *e = &t->exchange;

    t->socket = wire_socket(t->wire);
    t->is_talking = true;
    LIST_INSERT_HEAD(&t->http->talking, t, talkers);
    if (t->socket < 0 || mail_begin(&e->mail, &e->envelope, &e->body, clock_wall_usec()) < 0)
        t->has_ended = true;
    else
        talk(t);
}

static struct transfer *find_talker(const struct http *h, int fd) {
    struct transfer *t;

    LIST_FOREACH(t, &h->talking, talkers)
        if (t->socket == fd)
            return t;
    return NULL;
}

/* ---- The loop ---- */

static void reap(struct http *h) {
    struct transfer *t, *next;
    bool is_whole;

    while ((t = wires_reap(h->wires, &is_whole))) {
        if (is_whole && t->exchange.is_mail)
            begin_talk(t);
        else
            finish(t, false);
    }
    for (t = LIST_FIRST(&h->talking); t; t = next) {
        next = LIST_NEXT(t, talkers);
        if (t->has_ended)
            finish(t, false);
    }
}

static void on_ready(int fd, uint32_t events, void *userdata) {
    struct http *h = userdata;
    struct transfer *talker = find_talker(h, fd);

    if (!talker)
        wires_run(h->wires, fd, events);
    else if (!talker->has_ended && clock_monotonic_usec() < talker->exchange.deadline_usec)
        talk(talker);
}

static void on_kick(void *userdata) {
    struct http *h = userdata;

    wires_run(h->wires, -1, 0);
}

/* Ends what is past its limit, and returns when the next one will be. The limit is kept here, since libcurl has none for a
 * transfer that waits for a connection. A callback may start transfers, which arm the timer themselves. */
static uint64_t expire(struct http *h, uint64_t now_usec) {
    uint64_t due_usec = UINT64_MAX;
    struct transfer *next;

    for (struct transfer *t = LIST_FIRST(&h->active); t; t = next) {
        next = LIST_NEXT(t, list);
        if (t->exchange.deadline_usec > now_usec) {
            if (t->exchange.deadline_usec < due_usec)
                due_usec = t->exchange.deadline_usec;
            continue;
        }
        finish(t, true);
    }
    return due_usec;
}

static void on_timer(void *userdata) {
    struct http *h = userdata;
    uint64_t now_usec = clock_monotonic_usec(), due_usec, wires_due;

    if (wires_due_usec(h->wires) <= now_usec) {
        wires_run(h->wires, -1, 0);
        reap(h); /* what came in time counts */
    }
    due_usec = expire(h, now_usec);
    wires_due = wires_due_usec(h->wires);
    (void) watch_arm(h->watch, due_usec < wires_due ? due_usec : wires_due);
}

static void on_pass_end(void *userdata) {
    reap(userdata);
}

/* ---- The interface ---- */

int http_new(sd_event *event, unsigned connections_max, struct http **ret) {
    static const struct watch_handler handler = {
        .on_ready = on_ready, .on_timer = on_timer, .on_kick = on_kick, .on_pass_end = on_pass_end};
    _cleanup_(http_freep) struct http *h = NULL;
    int r;

    if (connections_max == 0)
        return -EINVAL;
    h = calloc(1, sizeof(*h));
    if (!h)
        return -ENOMEM;
    r = watch_new(event, &handler, h, &h->watch);
    if (r < 0)
        return r;
    r = wires_new(h->watch, connections_max, &h->wires);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(h);
    return 0;
}

struct http *http_free(struct http *h) {
    struct transfer *t;

    if (!h)
        return NULL;
    if (h->wires)
        wires_close(h->wires);
    while ((t = LIST_FIRST(&h->active))) {
        LIST_REMOVE(t, list);
        wire_stop(t->wire);
        transfer_free(t);
    }
    while ((t = LIST_FIRST(&h->idle))) {
        LIST_REMOVE(t, list);
        transfer_free(t);
    }
    wires_free(h->wires);
    watch_free(h->watch);
    free(h);
    return NULL;
}

static int transfer_take(struct http *h, struct transfer **ret) {
    struct transfer *t = LIST_FIRST(&h->idle);

    if (!t)
        return transfer_new(h, ret);
    LIST_REMOVE(t, list);
    *ret = t;
    return 0;
}

int http_start(struct http *h, const struct request *request, uint64_t time_limit_usec, http_done_fn done, void *userdata) {
    return http_start_streamed(h, request, time_limit_usec, NULL, done, userdata);
}

int http_start_streamed(struct http *h, const struct request *request, uint64_t time_limit_usec, exchange_sink_fn sink,
                        http_done_fn done, void *userdata) {
    struct transfer *t;
    int r;

    r = transfer_take(h, &t);
    if (r < 0)
        return r;
    t->done = done;
    t->userdata = userdata;
    r = exchange_begin(&t->exchange, request, time_limit_usec);
    t->exchange.sink = sink;
    t->exchange.sink_userdata = userdata;
    t->exchange.deadline_usec = clock_monotonic_usec() + time_limit_usec;
    if (r >= 0)
        r = watch_arm(h->watch, t->exchange.deadline_usec);
    if (r >= 0)
        r = wire_start(t->wire);
    if (r < 0) {
        put_away(t);
        return r;
    }
    LIST_INSERT_HEAD(&h->active, t, list);
    h->in_flight++;
    return 0;
}

unsigned http_in_flight(const struct http *h) {
    return h->in_flight;
}
