#include "sandbox/exchange.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"

#define WAIT_USEC (25 * USEC_PER_SEC)
#define DRIP_USEC USEC_PER_SEC

int exchange_new(sd_event *event, struct exchange_lists *lists, struct MHD_Connection *c, struct exchange **ret) {
    struct exchange *x = calloc(1, sizeof(*x));
    if (!x)
        return -ENOMEM;
    x->connection = c;
    x->event = event;
    x->lists = lists;
    x->body = BUF_MAX(CALL_BODY_BYTES_MAX);
    sandbox_reply_init(&x->answer);
    *ret = x;
    return 0;
}

static void stop_sources(struct exchange *x) {
    x->timer = sd_event_source_disable_unref(x->timer);
    x->watch = sd_event_source_disable_unref(x->watch);
}

static void list_remove(struct exchange *x) {
    if (!x->list)
        return;
    *(x->previous ? &x->previous->next : x->list) = x->next;
    if (x->next)
        x->next->previous = x->previous;
    x->previous = x->next = NULL;
    x->list = NULL;
}

struct exchange *exchange_free(struct exchange *x) {
    if (!x)
        return NULL;
    stop_sources(x);
    list_remove(x);
    buf_done(&x->body);
    sandbox_reply_done(&x->answer);
    free(x);
    return NULL;
}

static void suspend(struct exchange *x, struct exchange **list) {
    x->is_expired = false;
    x->list = list;
    x->next = *list;
    if (x->next)
        x->next->previous = x;
    *list = x;
    MHD_suspend_connection(x->connection);
}

void exchange_resume(struct exchange *x) {
    stop_sources(x);
    list_remove(x);
    MHD_resume_connection(x->connection);
    x->lists->is_run_due = true;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
    struct exchange *x = userdata;
    x->is_expired = true;
    exchange_resume(x);
    return 0;
}

static int on_left(sd_event_source *source, int fd, uint32_t events, void *userdata) {
    struct exchange *x = userdata;
    x->is_expired = true;
    exchange_resume(x);
    return 0;
}

static int set_timer(struct exchange *x, uint64_t usec) {
    return sd_event_add_time(x->event, &x->timer, CLOCK_MONOTONIC, clock_monotonic_usec() + usec, 1, on_timer, x);
}

int exchange_pause(struct exchange *x, uint64_t usec) {
    int r = set_timer(x, usec);
    if (r < 0)
        return r;
    suspend(x, &x->lists->paused);
    return 0;
}

int exchange_wait(struct exchange *x) {
    int r = set_timer(x, WAIT_USEC);
    if (r < 0)
        return r;
    suspend(x, &x->lists->waiting);
    return 0;
}

/* While a connection is suspended libmicrohttpd does not look at its socket, so nobody but us would notice that the client
 * has gone. */
int exchange_hang(struct exchange *x) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (!info)
        return -EOPNOTSUPP;
    int r = sd_event_add_io(x->event, &x->watch, info->connect_fd, EPOLLRDHUP, on_left, x);
    if (r < 0)
        return r;
    suspend(x, &x->lists->paused);
    return 0;
}

/* A byte, a pause, a byte. */
static ssize_t read_drip(void *cls, uint64_t position, char *to, size_t max) {
    struct exchange *x = cls;
    if (position > 0 && !x->is_expired)
        return exchange_pause(x, DRIP_USEC) < 0 ? MHD_CONTENT_READER_END_WITH_ERROR : 0;
    x->is_expired = false;
    *to = x->answer.body.data[position];
    return 1;
}

/* The first half, and no more. */
static ssize_t read_truncated(void *cls, uint64_t position, char *to, size_t max) {
    struct exchange *x = cls;
    size_t half = x->answer.body.size / 2;
    if (position >= half)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    size_t size = half - (size_t) position < max ? half - (size_t) position : max;
    memcpy(to, x->answer.body.data + position, size);
    return (ssize_t) size;
}

static struct MHD_Response *make_response(struct exchange *x) {
    struct sandbox_reply *a = &x->answer;
    size_t size = a->body.size;
    if (size == 0)
        return MHD_create_response_from_buffer(0, (void *) "", MHD_RESPMEM_PERSISTENT);
    if (a->manner == MANNER_DRIP) {
        x->is_expired = false;
        return MHD_create_response_from_callback(size, 64, read_drip, x, NULL);
    }
    if (a->manner == MANNER_TRUNCATED)
        return MHD_create_response_from_callback(size, 4096, read_truncated, x, NULL);
    char *body = buf_take(&a->body);
    struct MHD_Response *response = MHD_create_response_from_buffer(size, body, MHD_RESPMEM_MUST_FREE);
    if (!response)
        free(body);
    return response;
}

enum MHD_Result exchange_send(struct exchange *x) {
    struct sandbox_reply *a = &x->answer;
    struct MHD_Response *response = make_response(x);
    if (!response)
        return MHD_NO;
    enum MHD_Result r = MHD_YES;
    if (a->content_type)
        r = MHD_add_response_header(response, "Content-Type", a->content_type);
    for (size_t i = 0; i < a->header_count && r == MHD_YES; i++)
        r = MHD_add_response_header(response, a->headers[i].name, a->headers[i].value);
    if (r == MHD_YES)
        r = MHD_queue_response(x->connection, a->status, response);
    MHD_destroy_response(response);
    return r;
}
