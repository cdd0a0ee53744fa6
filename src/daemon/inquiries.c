#include "daemon/inquiries.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "io/http.h"

enum { CONNECTIONS_MAX = 4, STEPS_MAX = 4 };

struct inquiries {
    struct http *http;
    void (*heard)(void *userdata);
    void *userdata;
    struct inquiry *asked, *answered;
    sd_event_source *without_request; /* tells of those that were answered without one */
};

static struct inquiry *inquiry_free(struct inquiry *i) {
    if (!i)
        return NULL;
    account_unref(i->account);
    free(i);
    return NULL;
}

static struct inquiry *free_all(struct inquiry *first) {
    while (first) {
        struct inquiry *next = first->next;

        inquiry_free(first);
        first = next;
    }
    return NULL;
}

static void answered(struct inquiry *i) {
    struct inquiries *q = i->inquiries;
    struct inquiry **place = &q->asked;

    while (*place != i)
        place = &(*place)->next;
    *place = i->next;
    i->next = q->answered;
    q->answered = i;
}

static void on_reply(const struct reply *reply, void *userdata);

/* 1: the step is under way. 0: the answer is known without it. */
static int take_step(struct inquiry *i) {
    const struct account *a = i->account;
    struct request request __attribute__((cleanup(request_done)));
    int r;

    request_init(&request);
    i->health = (struct health) {.kind = HEALTH_ILL, .wait_sec = WAIT_BY_BACKOFF};
    if (a->problem[0] != '\0') {
        (void) snprintf(i->health.reason, sizeof(i->health.reason), "%s", a->problem);
        return 0;
    }
    if (!a->gateway->ask || i->steps_taken++ == STEPS_MAX) {
        i->health.kind = HEALTH_UNKNOWN;
        return 0;
    }
    r = a->gateway->ask(&a->sender, i->purpose, i->step, &request);
    if (r >= 0)
        r = http_start(i->inquiries->http, &request, i->time_limit_usec, on_reply, i);
    if (r >= 0)
        return 1;
    (void) snprintf(i->health.reason, sizeof(i->health.reason), "%s",
                    r == -ENOMEM       ? "this daemon has no memory left"
                    : r == -EOPNOTSUPP ? "its gateway has no session to pair"
                                       : "its row is not complete: see pgherald check");
    return 0;
}

static void on_reply(const struct reply *reply, void *userdata) {
    struct inquiry *i = userdata;
    struct inquiries *q = i->inquiries;

    health_from_reply(i->account->gateway, &i->account->sender, i->purpose, i->step, reply, &i->health);
    if (i->health.kind == HEALTH_GO_ON) {
        i->step = i->health.next_step;
        if (take_step(i) > 0)
            return;
    }
    answered(i);
    q->heard(q->userdata);
}

int inquiries_begin(struct inquiries *q, struct account *account, enum purpose purpose, uint64_t time_limit_usec) {
    struct inquiry *i = calloc(1, sizeof(*i));

    if (!i) {
        account_unref(account);
        return -ENOMEM;
    }
    *i = (struct inquiry) {
        .account = account, .purpose = purpose, .inquiries = q, .time_limit_usec = time_limit_usec, .next = q->asked};
    q->asked = i;
    if (take_step(i) == 0) {
        answered(i);
        (void) sd_event_source_set_enabled(q->without_request, SD_EVENT_ONESHOT);
    }
    return 0;
}

static int on_without_request(_unused_ sd_event_source *source, void *userdata) {
    struct inquiries *q = userdata;

    q->heard(q->userdata);
    return 0;
}

const struct inquiry *inquiries_answers(const struct inquiries *q) {
    return q->answered;
}

void inquiries_told(struct inquiries *q) {
    q->answered = free_all(q->answered);
}

int inquiries_new(sd_event *event, void (*heard)(void *userdata), void *userdata, struct inquiries **ret) {
    _cleanup_(inquiries_freep) struct inquiries *q = calloc(1, sizeof(*q));
    int r;

    if (!q)
        return -ENOMEM;
    q->heard = heard;
    q->userdata = userdata;
    r = http_new(event, CONNECTIONS_MAX, &q->http);
    if (r >= 0)
        r = sd_event_add_defer(event, &q->without_request, on_without_request, q);
    if (r >= 0)
        r = sd_event_source_set_enabled(q->without_request, SD_EVENT_OFF);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(q);
    return 0;
}

struct inquiries *inquiries_free(struct inquiries *q) {
    if (!q)
        return NULL;
    sd_event_source_disable_unref(q->without_request);
    http_free(q->http);
    free_all(q->asked);
    free_all(q->answered);
    free(q);
    return NULL;
}
