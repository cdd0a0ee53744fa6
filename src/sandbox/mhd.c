#include "sandbox/mhd.h"

#include <errno.h>
#include <microhttpd.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/parse.h"
#include "sandbox/exchange.h"

enum { CONNECTIONS_MAX = 1000, IDLE_SEC_MAX = 120 };

/* What of a request is read, though not kept, so that its client hears why it is refused. */
#define READ_BYTES_MAX (16 * (int64_t) CALL_BODY_BYTES_MAX)

struct mhd {
    struct sandbox *sandbox; /* borrowed */
    struct MHD_Daemon *daemon;
    sd_event *event;
    sd_event_source *io;    /* libmicrohttpd's epoll */
    sd_event_source *timer; /* when it wants to run without a socket that is ready */
    struct exchange_lists lists;
};

static const char *header(struct MHD_Connection *c, const char *name) {
    return MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
}

static const char *argument(struct MHD_Connection *c, const char *name) {
    return MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, name);
}

/* What other pages may not ask is refused first; then the contracts in turn; what none of them knows is the control's to answer. */
static int ask(struct sandbox *s, const struct call *call, struct sandbox_reply *a) {
    static int (*const contracts[])(struct sandbox *, const struct call *, struct sandbox_reply *) = {
        /* WAHA's few paths are within those of wppconnect. */
        control_refuse, contract_cloud,     contract_waha,   contract_wppconnect,
        contract_webjs, contract_evolution, contract_twilio, contract_webhook,    control_answer,
    };
    for (size_t i = 0; i < ELEMENTSOF(contracts); i++) {
        int r = contracts[i](s, call, a);
        if (r != 0)
            return r;
    }
    return -ENOENT;
}

/* A request was read whole, or a stream was woken: fills the exchange's answer. */
static int serve(struct mhd *s, struct exchange *x, const char *path, const char *method) {
    struct MHD_Connection *c = x->connection;
    struct call call = {
        .method = method,
        .path = path,
        .content_type = header(c, "Content-Type"),
        .authorization = header(c, "Authorization"),
        .api_key = header(c, "X-Api-Key"),
        .apikey = header(c, "apikey"),
        .host = header(c, "Host"),
        .origin = header(c, "Origin"),
        .fetch_site = header(c, "Sec-Fetch-Site"),
        .after = argument(c, "after"),
        .recipient = argument(c, "recipient"),
        .refused = argument(c, "refused"),
        .generation = argument(c, "generation"),
        .format = argument(c, "format"),
        .body = buf_string(&x->body),
        .body_size = x->body.size,
    };
    sandbox_reply_done(&x->answer);
    sandbox_reply_init(&x->answer);
    if (x->is_too_large) {
        sandbox_reply_text(&x->answer, 413, JSON_PLAIN, "{\"error\":\"the request is larger than 1 MiB\"}");
        return 0;
    }
    int r = ask(s->sandbox, &call, &x->answer);
    if (r < 0)
        return r;
    return buf_error(&x->answer.body);
}

/* Something may have changed: those who wait ask again. */
static void wake_waiting(struct mhd *s) {
    while (s->lists.waiting)
        exchange_resume(s->lists.waiting);
}

/* Sends the answer away, or suspends the exchange for now. After a pause libmicrohttpd calls on_request() again, and so comes
 * here again. */
static enum MHD_Result proceed(struct mhd *s, struct exchange *x, const char *path, const char *method) {
    if (!x->is_served || x->answer.manner == MANNER_WAIT) {
        bool is_again = x->is_served;
        x->is_served = true;
        if (serve(s, x, path, method) < 0)
            return MHD_NO;
        if (strcmp(method, "GET") != 0)
            wake_waiting(s);
        if (x->answer.manner == MANNER_WAIT && is_again && x->is_expired)
            x->answer.manner = MANNER_SEND; /* waited long enough: nothing changed */
        if (x->answer.manner == MANNER_WAIT)
            return exchange_wait(x) < 0 ? MHD_NO : MHD_YES;
        if (x->answer.latency_usec > 0 && x->answer.manner != MANNER_HANG)
            return exchange_pause(x, x->answer.latency_usec) < 0 ? MHD_NO : MHD_YES;
    }
    if (x->answer.manner == MANNER_HANG && !x->is_expired)
        return exchange_hang(x) < 0 ? MHD_NO : MHD_YES;
    if (x->answer.manner == MANNER_HANG || x->answer.manner == MANNER_CUT)
        return MHD_NO;
    return exchange_send(x);
}

/* A body that is announced as far too large is refused before it is read. */
static bool is_announced_too_large(struct MHD_Connection *c) {
    int64_t size = 0;
    const char *text = header(c, "Content-Length");
    return text && (parse_int(text, 0, INT64_MAX, &size) < 0 || size > READ_BYTES_MAX);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *path, const char *method,
                                  const char *version, const char *upload, size_t *upload_size, void **context) {
    struct mhd *s = cls;
    struct exchange *x = *context;
    if (!x) {
        if (exchange_new(s->event, &s->lists, c, &x) < 0)
            return MHD_NO;
        *context = x;
        x->is_too_large = is_announced_too_large(c);
        return x->is_too_large ? proceed(s, x, path, method) : MHD_YES;
    }
    if (*upload_size > 0) {
        if (x->body.size + *upload_size > CALL_BODY_BYTES_MAX)
            x->is_too_large = true; /* read on, and forget */
        else if (buf_append(&x->body, upload, *upload_size) < 0)
            return MHD_NO;
        x->bytes_read += *upload_size;
        *upload_size = 0;
        return x->bytes_read > (uint64_t) READ_BYTES_MAX ? MHD_NO : MHD_YES;
    }
    return proceed(s, x, path, method);
}

static void on_completed(void *cls, struct MHD_Connection *c, void **context, enum MHD_RequestTerminationCode why) {
    exchange_free(*context);
    *context = NULL;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata) {
    struct mhd *s = userdata;
    (void) MHD_run(s->daemon);
    return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
    struct mhd *s = userdata;
    (void) MHD_run(s->daemon);
    return 0;
}

/* Before each wait: until when libmicrohttpd is content to. */
static int on_prepare(sd_event_source *source, void *userdata) {
    struct mhd *s = userdata;
    MHD_UNSIGNED_LONG_LONG wait_msec = 0;
    if (!s->lists.is_run_due && MHD_get_timeout(s->daemon, &wait_msec) != MHD_YES)
        return sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
    s->lists.is_run_due = false;
    int r = sd_event_source_set_time(s->timer, clock_monotonic_usec() + wait_msec * USEC_PER_MSEC);
    return r < 0 ? r : sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
}

static int mhd_attach(struct mhd *s) {
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (!info)
        return -EOPNOTSUPP;
    int r = sd_event_add_time(s->event, &s->timer, CLOCK_MONOTONIC, UINT64_MAX, 1, on_timer, s);
    if (r < 0)
        return r;
    r = sd_event_add_io(s->event, &s->io, info->epoll_fd, EPOLLIN, on_io, s);
    if (r < 0)
        return r;
    return sd_event_source_set_prepare(s->io, on_prepare);
}

int mhd_new(sd_event *event, int socket_fd, struct sandbox *sandbox, struct mhd **ret) {
    _cleanup_(closep) int fd = socket_fd;
    _cleanup_(mhd_freep) struct mhd *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->sandbox = sandbox;
    s->event = sd_event_ref(event);
    s->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, s,
                                 MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
                                 MHD_OPTION_CONNECTION_LIMIT, (unsigned) CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
                                 (unsigned) IDLE_SEC_MAX, MHD_OPTION_END);
    if (!s->daemon)
        return errno > 0 ? -errno : -EIO;
    fd = -1;
    int r = mhd_attach(s);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(s);
    return 0;
}

struct mhd *mhd_free(struct mhd *s) {
    if (!s)
        return NULL;
    sd_event_source_disable_unref(s->io);
    sd_event_source_disable_unref(s->timer);
    wake_waiting(s);
    while (s->lists.paused)
        exchange_resume(s->lists.paused);
    if (s->daemon)
        MHD_stop_daemon(s->daemon);
    sd_event_unref(s->event);
    free(s);
    return NULL;
}
