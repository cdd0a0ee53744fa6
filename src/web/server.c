#include "web/server.h"

#include <errno.h>
#include <microhttpd.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/parse.h"

enum {
    IDLE_SEC_MAX = 30,
    CROWDED = SERVER_CONNECTIONS_MAX - 8, /* from here on a newcomer costs the slowest its place */
    HEAD_BYTES_MAX = 16 * 1024,
    STATUS_TOO_LARGE = 413,
    STATUS_BUSY = 503,
};

/* A connection, from accept to close. While it owes us a request it stands in the line, the one that has owed it longest first. */
struct peer {
    struct MHD_Connection *connection;
    uint64_t due_usec;
    struct peer *previous, *next;
    bool is_in_line;
};

struct server_request {
    struct server *server;
    struct MHD_Connection *connection;
    const char *method;
    char *path;
    struct buf body;
    struct buf answer;
    const char *content_type; /* static */
    unsigned status;          /* 0: not answered yet */
    bool is_handed_over;
    bool is_suspended;
};

struct server {
    sd_event *event;
    struct MHD_Daemon *daemon;
    sd_event_source *io;       /* libmicrohttpd's epoll */
    sd_event_source *timer;    /* when it wants to run without a socket that is ready */
    sd_event_source *deadline; /* of the first in the line */
    struct server_handler handler;
    void *userdata;
    uint64_t time_limit_usec;
    struct peer *first, *last;
    unsigned peers;
    size_t body_bytes; /* of all requests */
    struct server_count counts[SERVER_COUNTS_MAX];
    bool is_run_due;
};

/* ---- The line ---- */

static void line_leave(struct server *s, struct peer *p) {
    if (!p->is_in_line)
        return;
    *(p->previous ? &p->previous->next : &s->first) = p->next;
    *(p->next ? &p->next->previous : &s->last) = p->previous;
    p->previous = p->next = NULL;
    p->is_in_line = false;
}

static void arm_deadline(struct server *s) {
    if (!s->first)
        return;
    (void) sd_event_source_set_time(s->deadline, s->first->due_usec);
    (void) sd_event_source_set_enabled(s->deadline, SD_EVENT_ONESHOT);
}

/* At its end: the limit is the same for all, so the line stays in order. */
static void line_join(struct server *s, struct peer *p) {
    line_leave(s, p);
    p->due_usec = clock_monotonic_usec() + s->time_limit_usec;
    p->previous = s->last;
    *(s->last ? &s->last->next : &s->first) = p;
    s->last = p;
    p->is_in_line = true;
    if (s->first == p)
        arm_deadline(s);
}

/* libmicrohttpd sees the end of the stream, and closes. */
static void line_expel_first(struct server *s) {
    struct peer *p = s->first;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(p->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    line_leave(s, p);
    if (info)
        (void) shutdown(info->connect_fd, SHUT_RDWR);
}

static int on_deadline(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
    struct server *s = userdata;
    uint64_t now_usec = clock_monotonic_usec();

    while (s->first && s->first->due_usec <= now_usec)
        line_expel_first(s);
    arm_deadline(s);
    return 0;
}

static void on_connection(void *cls, struct MHD_Connection *c, void **context, enum MHD_ConnectionNotificationCode what) {
    struct server *s = cls;
    struct peer *p = *context;

    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (!p)
            return;
        line_leave(s, p);
        s->peers--;
        free(p);
        *context = NULL;
        return;
    }
    p = calloc(1, sizeof(*p));
    if (!p)
        return; /* it has libmicrohttpd's own time limit still */
    p->connection = c;
    *context = p;
    if (++s->peers > CROWDED && s->first)
        line_expel_first(s);
    line_join(s, p);
}

static struct peer *peer_of(struct MHD_Connection *c) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

/* ---- Requests ---- */

const char *server_method(const struct server_request *r) {
    return r->method;
}

const char *server_path(const struct server_request *r) {
    return r->path;
}

const char *server_header(const struct server_request *r, const char *name) {
    return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

const char *server_argument(const struct server_request *r, const char *name) {
    return MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, name);
}

const struct buf *server_body(const struct server_request *r) {
    return &r->body;
}

static void body_done(struct server_request *r) {
    r->server->body_bytes -= r->body.size;
    buf_done(&r->body);
}

void server_answer(struct server_request *r, unsigned status, const char *content_type, const char *body) {
    r->status = status;
    r->content_type = content_type;
    (void) buf_append_string(&r->answer, body);
    body_done(r);
    if (!r->is_suspended)
        return;
    r->is_suspended = false;
    MHD_resume_connection(r->connection);
    r->server->is_run_due = true;
}

static void count(struct server *s, unsigned status) {
    for (size_t i = 0; i < SERVER_COUNTS_MAX; i++)
        if (s->counts[i].status == status || s->counts[i].status == 0) {
            s->counts[i].status = status;
            s->counts[i].n++;
            return;
        }
}

size_t server_counts(const struct server *s, struct server_count ret[static SERVER_COUNTS_MAX]) {
    size_t n = 0;

    for (; n < SERVER_COUNTS_MAX && s->counts[n].status != 0; n++)
        ret[n] = s->counts[n];
    return n;
}

/* must_close: the rest of the request stays unread. */
static enum MHD_Result send_answer(struct server_request *r, bool must_close) {
    enum MHD_Result result = MHD_YES;
    struct MHD_Response *response;

    if (buf_error(&r->answer) < 0)
        return MHD_NO;
    response = MHD_create_response_from_buffer(r->answer.size, (void *) buf_string(&r->answer), MHD_RESPMEM_MUST_COPY);
    if (!response)
        return MHD_NO;
    if (r->content_type)
        result = MHD_add_response_header(response, "Content-Type", r->content_type);
    if (result == MHD_YES)
        result = MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (result == MHD_YES && must_close)
        result = MHD_add_response_header(response, "Connection", "close");
    if (result == MHD_YES && r->status == STATUS_BUSY)
        result = MHD_add_response_header(response, "Retry-After", "5");
    if (result == MHD_YES)
        result = MHD_queue_response(r->connection, r->status, response);
    MHD_destroy_response(response);
    count(r->server, r->status);
    return result;
}

static enum MHD_Result refuse(struct server_request *r, unsigned status) {
    r->status = status;
    return send_answer(r, true);
}

static struct server_request *request_new(struct server *s, struct MHD_Connection *c, const char *path, const char *method) {
    struct server_request *r = calloc(1, sizeof(*r));

    if (!r)
        return NULL;
    r->server = s;
    r->connection = c;
    r->method = method;
    r->body = BUF_MAX(SERVER_REQUEST_BYTES_MAX);
    r->answer = BUF_MAX(1024 * 1024);
    r->path = strdup(path);
    if (r->path)
        return r;
    free(r);
    return NULL;
}

static enum MHD_Result on_head(struct server *s, struct server_request *r) {
    const char *length = server_header(r, "Content-Length");
    int64_t size = 0;
    unsigned status;

    if (length && (parse_int(length, 0, INT64_MAX, &size) < 0 || size > SERVER_REQUEST_BYTES_MAX))
        return refuse(r, STATUS_TOO_LARGE);
    status = s->handler.on_head(r, s->userdata);
    return status != 0 ? refuse(r, status) : MHD_YES;
}

static enum MHD_Result on_body(struct server *s, struct server_request *r, const char *bytes, size_t *size) {
    if (r->status != 0) {
        *size = 0; /* refused already, and still sent */
        return MHD_YES;
    }
    /* Closed without an answer: while a body is still on its way none can be given. */
    if (r->body.size + *size > SERVER_REQUEST_BYTES_MAX || s->body_bytes + *size > SERVER_BODIES_BYTES_MAX) {
        count(s, r->body.size + *size > SERVER_REQUEST_BYTES_MAX ? STATUS_TOO_LARGE : STATUS_BUSY);
        return MHD_NO;
    }
    if (buf_append(&r->body, bytes, *size) < 0)
        return MHD_NO;
    s->body_bytes += *size;
    *size = 0;
    return MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *path, const char *method,
                                  _unused_ const char *version, const char *upload, size_t *upload_size, void **context) {
    struct server *s = cls;
    struct server_request *r = *context;
    struct peer *p;

    if (!r) {
        r = *context = request_new(s, c, path, method);
        return r ? on_head(s, r) : MHD_NO;
    }
    if (*upload_size > 0)
        return on_body(s, r, upload, upload_size);
    if (!r->is_handed_over) {
        r->is_handed_over = true;
        p = peer_of(c);
        if (p)
            line_leave(s, p); /* it is our turn */
        s->handler.on_request(r, s->userdata);
    }
    if (r->status != 0)
        return send_answer(r, false);
    r->is_suspended = true;
    MHD_suspend_connection(c);
    return MHD_YES;
}

static void on_completed(void *cls, struct MHD_Connection *c, void **context, _unused_ enum MHD_RequestTerminationCode why) {
    struct server *s = cls;
    struct server_request *r = *context;
    struct peer *p = peer_of(c);

    if (!r)
        return;
    *context = NULL;
    body_done(r);
    buf_done(&r->answer);
    free(r->path);
    free(r);
    if (p)
        line_join(s, p); /* for the next request */
}

/* ---- The loop ---- */

static int run(struct server *s) {
    s->is_run_due = false;
    (void) MHD_run(s->daemon);
    return 0;
}

static int on_io(_unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t events, void *userdata) {
    return run(userdata);
}

static int on_timer(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
    return run(userdata);
}

/* Before each wait: until when libmicrohttpd is content to. It says nothing of what was resumed; and the loop serves one source
 * at a time, so that this may be asked more than once before the timer's turn comes. */
static int on_prepare(_unused_ sd_event_source *source, void *userdata) {
    struct server *s = userdata;
    MHD_UNSIGNED_LONG_LONG wait_msec = 0;
    int r;

    if (!s->is_run_due && MHD_get_timeout(s->daemon, &wait_msec) != MHD_YES)
        return sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
    r = sd_event_source_set_time(s->timer, clock_monotonic_usec() + wait_msec * USEC_PER_MSEC);
    return r < 0 ? r : sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
}

static int attach(struct server *s) {
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    int r;

    if (!info)
        return -EOPNOTSUPP;
    r = sd_event_add_time(s->event, &s->timer, CLOCK_MONOTONIC, UINT64_MAX, 1, on_timer, s);
    if (r >= 0)
        r = sd_event_add_time(s->event, &s->deadline, CLOCK_MONOTONIC, UINT64_MAX, 10 * USEC_PER_MSEC, on_deadline, s);
    if (r >= 0)
        r = sd_event_add_io(s->event, &s->io, info->epoll_fd, EPOLLIN, on_io, s);
    return r < 0 ? r : sd_event_source_set_prepare(s->io, on_prepare);
}

int server_new(sd_event *event, int socket_fd, uint64_t time_limit_usec, const struct server_handler *handler, void *userdata,
               struct server **ret) {
    _cleanup_(closep) int fd = socket_fd;
    _cleanup_(server_freep) struct server *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return -ENOMEM;
    s->event = sd_event_ref(event);
    s->handler = *handler;
    s->userdata = userdata;
    s->time_limit_usec = time_limit_usec;
    s->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, s,
                                 MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
                                 MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_CONNECTION_LIMIT,
                                 (unsigned) SERVER_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned) IDLE_SEC_MAX,
                                 MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) HEAD_BYTES_MAX, MHD_OPTION_END);
    if (!s->daemon)
        return errno > 0 ? -errno : -EIO;
    fd = -1;
    r = attach(s);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(s);
    return 0;
}

void server_quiesce(struct server *s) {
    MHD_socket fd = MHD_quiesce_daemon(s->daemon);

    if (fd != MHD_INVALID_SOCKET)
        (void) close(fd);
}

struct server *server_free(struct server *s) {
    if (!s)
        return NULL;
    sd_event_source_disable_unref(s->io);
    sd_event_source_disable_unref(s->timer);
    sd_event_source_disable_unref(s->deadline);
    if (s->daemon) {
        (void) MHD_run(s->daemon); /* the last answers leave */
        MHD_stop_daemon(s->daemon);
    }
    sd_event_unref(s->event);
    free(s);
    return NULL;
}
