#include "io/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "io/exchange.h"
#include "io/url.h"
#include "io/watch.h"

enum {
    CONNECT_TIME_LIMIT_MSEC = 5000,
    CONNECTION_IDLE_MAX_SEC = 50, /* below the idle time of common gateways and load balancers */
    TCP_USER_TIMEOUT_MSEC = 15000,
};

/* One transfer, with an easy handle whose options were set once. In flight it is in the list http.active, else in http.idle. */
struct transfer {
    struct http *http;
    LIST_ENTRY(transfer) list;
    CURL *easy;
    http_done_fn done;
    void *userdata;
    uint64_t deadline_usec;
    struct exchange exchange;                                  /* libcurl borrows the body */
    struct curl_slist header_list[REQUEST_HEADERS_MAX + 1];    /* into the exchange */
    char error[CURL_ERROR_SIZE];
};

LIST_HEAD(transfers, transfer);

struct http {
    CURLM *multi;
    struct watch *watch;
    struct transfers active;
    struct transfers idle;
    unsigned in_flight;
    uint64_t curl_due_usec; /* when libcurl wants to run */
    bool is_closing;
};

static struct transfer *transfer_free(struct transfer *t) {
    if (!t)
        return NULL;
    curl_easy_cleanup(t->easy);
    exchange_done(&t->exchange);
    free(t);
    return NULL;
}
DEFINE_CLEANUP(struct transfer *, transfer_free)

static size_t bytes_sent(const struct transfer *t) {
    long bytes = 0;

    (void) curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &bytes);
    return (size_t) bytes;
}

/* ---- What libcurl asks of a transfer ---- */

/* Before each sending. libcurl repeats a request by itself when a kept connection broke before the first byte of an answer;
 * the gateway may have acted on it by then, so only a request of which nothing was sent may be sent again. */
static int on_before_request(void *userdata, _unused_ char *remote, _unused_ char *local, _unused_ int remote_port,
                             _unused_ int local_port) {
    struct transfer *t = userdata;

    return bytes_sent(t) == 0 ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

static curl_socket_t on_open_socket(void *userdata, curlsocktype purpose, struct curl_sockaddr *address) {
    static const int user_timeout_msec = TCP_USER_TIMEOUT_MSEC;
    struct transfer *t = userdata;
    struct exchange *e = &t->exchange;
    int fd;

    e->refusal = address_refusal(address_judge(&address->addr, address->addrlen), e->with_tls);
    if (e->refusal) {
        address_to_string(&address->addr, address->addrlen, e->refused_address);
        return CURL_SOCKET_BAD;
    }
    fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    if (watch_open(t->http->watch, fd) < 0) {
        (void) close(fd);
        return CURL_SOCKET_BAD;
    }
    /* Without it, a request to a host that vanished is repeated by the kernel for a quarter of an hour. */
    (void) setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_msec, sizeof(user_timeout_msec));
    return fd;
}

static int on_close_socket(void *userdata, curl_socket_t fd) {
    struct http *h = userdata;

    watch_forget(h->watch, fd);
    return close(fd);
}

static size_t on_header(char *line, size_t size, size_t count, void *userdata) {
    struct transfer *t = userdata;

    return answer_add_header(&t->exchange.answer, line, size * count, clock_wall_usec()) < 0 ? 0 : size * count;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *userdata) {
    struct transfer *t = userdata;

    return answer_add_body(&t->exchange.answer, bytes, size * count) < 0 ? 0 : size * count;
}

/* ---- Making a transfer ---- */

static int curl_to_errno(CURLcode rc) {
    return rc == CURLE_OK ? 0 : rc == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
}

static int set_numbers(CURL *easy) {
    static const struct {
        CURLoption option;
        long value;
    } numbers[] = {
        {CURLOPT_NOSIGNAL, 1},
        {CURLOPT_FOLLOWLOCATION, 0}, /* a redirect would carry the body and our own headers elsewhere */
        {CURLOPT_DISALLOW_USERNAME_IN_URL, 1},
        {CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIME_LIMIT_MSEC},
        {CURLOPT_TCP_KEEPALIVE, 1},
        {CURLOPT_TCP_KEEPIDLE, 10},
        {CURLOPT_TCP_KEEPINTVL, 5},
        {CURLOPT_MAXAGE_CONN, CONNECTION_IDLE_MAX_SEC},
        {CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
        {CURLOPT_SSL_VERIFYPEER, 1},
        {CURLOPT_SSL_VERIFYHOST, 2},
        {CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS},
        {CURLOPT_QUICK_EXIT, 1}, /* never wait for a name server when a transfer is dropped */
    };
    CURLcode rc = CURLE_OK;

    for (size_t i = 0; i < ELEMENTSOF(numbers) && rc == CURLE_OK; i++)
        rc = curl_easy_setopt(easy, numbers[i].option, numbers[i].value);
    return curl_to_errno(rc);
}

static int set_strings(CURL *easy) {
    const char *authorities = getenv("SSL_CERT_FILE"); /* as OpenSSL's own tools have it */
    CURLcode rc;

    rc = curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* whatever the environment says */
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(easy, CURLOPT_USERAGENT, "pgherald");
    if (rc == CURLE_OK && authorities && *authorities)
        rc = curl_easy_setopt(easy, CURLOPT_CAINFO, authorities);
    return curl_to_errno(rc);
}

/* None of these can fail: they store pointers. */
static void set_callbacks(struct transfer *t) {
    (void) curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
    (void) curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->error);
    (void) curl_easy_setopt(t->easy, CURLOPT_PREREQFUNCTION, on_before_request);
    (void) curl_easy_setopt(t->easy, CURLOPT_PREREQDATA, t);
    (void) curl_easy_setopt(t->easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    (void) curl_easy_setopt(t->easy, CURLOPT_OPENSOCKETDATA, t);
    (void) curl_easy_setopt(t->easy, CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
    (void) curl_easy_setopt(t->easy, CURLOPT_CLOSESOCKETDATA, t->http); /* outlives the transfer, as the connection does */
    (void) curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, on_header);
    (void) curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
    (void) curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body);
    (void) curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
}

static int transfer_new(struct http *h, struct transfer **ret) {
    _cleanup_(transfer_freep) struct transfer *t = NULL;
    int r;

    t = calloc(1, sizeof(*t));
    if (!t)
        return -ENOMEM;
    t->http = h;
    exchange_init(&t->exchange);
    t->easy = curl_easy_init();
    if (!t->easy)
        return -ENOMEM;
    r = set_numbers(t->easy);
    if (r < 0)
        return r;
    r = set_strings(t->easy);
    if (r < 0)
        return r;
    set_callbacks(t);
    *ret = TAKE_PTR(t);
    return 0;
}

/* ---- One transfer's way ---- */

static void set_headers(struct transfer *t) {
    char *header = t->exchange.headers;

    for (size_t i = 0; i < t->exchange.header_count; i++) {
        struct curl_slist *next = i + 1 < t->exchange.header_count ? &t->header_list[i + 1] : NULL;

        t->header_list[i] = (struct curl_slist) {.data = header, .next = next};
        header += strlen(header) + 1;
    }
    (void) curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->header_list);
}

static int set_method_and_body(struct transfer *t) {
    const struct exchange *e = &t->exchange;
    bool is_get = strcmp(e->method, "GET") == 0, is_post = strcmp(e->method, "POST") == 0;

    if (is_get && e->body.size == 0)
        (void) curl_easy_setopt(t->easy, CURLOPT_HTTPGET, 1L);
    else {
        (void) curl_easy_setopt(t->easy, CURLOPT_POST, 1L);
        (void) curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, buf_string(&e->body));
        (void) curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) e->body.size);
        is_get = false;
    }
    return curl_to_errno(curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, is_get || is_post ? NULL : e->method));
}

/* The few options that differ from transfer to transfer. */
static int set_request(struct transfer *t) {
    int r;

    t->error[0] = '\0';
    set_headers(t);
    r = set_method_and_body(t);
    if (r < 0)
        return r;
    /* Over TLS a new request rather waits for a connection that may turn out to speak HTTP/2. */
    (void) curl_easy_setopt(t->easy, CURLOPT_PIPEWAIT, (long) t->exchange.with_tls);
    return curl_to_errno(curl_easy_setopt(t->easy, CURLOPT_URL, buf_string(&t->exchange.url)));
}

static enum exchange_end classify(CURLcode rc, bool is_expired) {
    if (is_expired)
        return EXCHANGE_EXPIRED;
    switch (rc) {
    case CURLE_OK:
        return EXCHANGE_WHOLE;
    case CURLE_COULDNT_RESOLVE_HOST:
        return EXCHANGE_UNRESOLVED;
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT: /* of the connection: that of the whole is ours */
        return EXCHANGE_CONNECT;
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_FAIL_REWIND:
    case CURLE_ABORTED_BY_CALLBACK: /* on_before_request() refused a second sending */
        return EXCHANGE_SILENT;
    case CURLE_PARTIAL_FILE:
        return EXCHANGE_BROKE_OFF;
    default:
        return EXCHANGE_FAILED;
    }
}

static void finish(struct transfer *t, CURLcode rc, bool is_expired) {
    struct http *h = t->http;
    struct reply reply;
    long status = 0, error = 0;
    struct exchange_result result = {
        .end = classify(rc, is_expired),
        .bytes_sent = bytes_sent(t),
        .detail = t->error[0] ? t->error : curl_easy_strerror(rc),
    };

    (void) curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    (void) curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &error);
    result.status = (int) status;
    if (rc == CURLE_COULDNT_CONNECT && error != 0)
        result.detail = strerrordesc_np((int) error);
    exchange_describe(&t->exchange, &result, &reply);
    (void) curl_multi_remove_handle(h->multi, t->easy);
    LIST_REMOVE(t, list);
    h->in_flight--;
    t->done(&reply, t->userdata);
    exchange_clear(&t->exchange);
    LIST_INSERT_HEAD(&h->idle, t, list);
}

static void reap(struct http *h) {
    struct transfer *t;
    CURLMsg *message;
    CURLcode rc;
    int left;

    while ((message = curl_multi_info_read(h->multi, &left))) {
        t = NULL;
        rc = message->data.result; /* the message dies with the transfer */
        (void) curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &t);
        finish(t, rc, false);
    }
}

/* ---- The loop ---- */

static void run(struct http *h, curl_socket_t fd, int events) {
    int running;

    (void) curl_multi_socket_action(h->multi, fd, events, &running);
}

static void on_ready(int fd, uint32_t events, void *userdata) {
    run(userdata, fd,
        (events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0));
}

static void on_kick(void *userdata) {
    run(userdata, CURL_SOCKET_TIMEOUT, 0);
}

/* Ends what is past its limit, and returns when the next one will be. The limit is kept here, since libcurl has none for a
 * transfer that waits for a connection. A callback may start transfers, which arm the timer themselves. */
static uint64_t expire(struct http *h, uint64_t now_usec) {
    uint64_t due_usec = UINT64_MAX;
    struct transfer *next;

    for (struct transfer *t = LIST_FIRST(&h->active); t; t = next) {
        next = LIST_NEXT(t, list);
        if (t->deadline_usec > now_usec) {
            if (t->deadline_usec < due_usec)
                due_usec = t->deadline_usec;
            continue;
        }
        finish(t, CURLE_OPERATION_TIMEDOUT, true);
    }
    return due_usec;
}

static void on_timer(void *userdata) {
    struct http *h = userdata;
    uint64_t now_usec = clock_monotonic_usec(), due_usec;

    if (h->curl_due_usec <= now_usec) {
        h->curl_due_usec = UINT64_MAX;
        run(h, CURL_SOCKET_TIMEOUT, 0);
        reap(h); /* what came in time counts */
    }
    due_usec = expire(h, now_usec);
    (void) watch_arm(h->watch, due_usec < h->curl_due_usec ? due_usec : h->curl_due_usec);
}

static void on_pass_end(void *userdata) {
    reap(userdata);
}

/* The next two are called from inside libcurl, which must not be entered again: they only note what it wants. A descriptor
 * that cannot be watched leaves its transfer to the time limit. */
static int on_curl_socket(_unused_ CURL *easy, curl_socket_t fd, int what, void *userdata, _unused_ void *socket) {
    struct http *h = userdata;
    uint32_t events = (what == CURL_POLL_IN || what == CURL_POLL_INOUT ? EPOLLIN : 0) |
                      (what == CURL_POLL_OUT || what == CURL_POLL_INOUT ? EPOLLOUT : 0);

    if (!h->is_closing)
        (void) watch_set(h->watch, fd, events);
    return 0;
}

static int on_curl_timer(_unused_ CURLM *multi, long timeout_msec, void *userdata) {
    struct http *h = userdata;

    if (h->is_closing)
        return 0;
    h->curl_due_usec = UINT64_MAX;
    if (timeout_msec == 0)
        watch_kick(h->watch);
    else if (timeout_msec > 0) {
        h->curl_due_usec = clock_monotonic_usec() + (uint64_t) timeout_msec * USEC_PER_MSEC;
        (void) watch_arm(h->watch, h->curl_due_usec);
    }
    return 0;
}

/* ---- The interface ---- */

static int set_up_multi(struct http *h, unsigned connections_max) {
    long most = (long) connections_max;

    h->multi = curl_multi_init();
    if (!h->multi)
        return -ENOMEM;
    (void) curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    (void) curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
    (void) curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    (void) curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
    (void) curl_multi_setopt(h->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    (void) curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, most);
    (void) curl_multi_setopt(h->multi, CURLMOPT_MAX_HOST_CONNECTIONS, most);
    (void) curl_multi_setopt(h->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, most);
    return 0;
}

int http_new(sd_event *event, unsigned connections_max, struct http **ret) {
    static const struct watch_handler handler = {
        .on_ready = on_ready, .on_timer = on_timer, .on_kick = on_kick, .on_pass_end = on_pass_end};
    _cleanup_(http_freep) struct http *h = NULL;
    int r;

    if (connections_max == 0)
        return -EINVAL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return -ENOMEM;
    h = calloc(1, sizeof(*h));
    if (!h) {
        curl_global_cleanup();
        return -ENOMEM;
    }
    h->curl_due_usec = UINT64_MAX;
    r = watch_new(event, &handler, h, &h->watch);
    if (r < 0)
        return r;
    r = set_up_multi(h, connections_max);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(h);
    return 0;
}

struct http *http_free(struct http *h) {
    struct transfer *t;

    if (!h)
        return NULL;
    h->is_closing = true; /* libcurl calls back until the last connection is closed */
    while ((t = LIST_FIRST(&h->active))) {
        LIST_REMOVE(t, list);
        (void) curl_multi_remove_handle(h->multi, t->easy);
        transfer_free(t);
    }
    while ((t = LIST_FIRST(&h->idle))) {
        LIST_REMOVE(t, list);
        transfer_free(t);
    }
    (void) curl_multi_cleanup(h->multi);
    watch_free(h->watch);
    free(h);
    curl_global_cleanup();
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
    struct transfer *t;
    int r;

    r = transfer_take(h, &t);
    if (r < 0)
        return r;
    t->done = done;
    t->userdata = userdata;
    r = exchange_begin(&t->exchange, request, time_limit_usec);
    if (r >= 0)
        r = set_request(t);
    t->deadline_usec = clock_monotonic_usec() + time_limit_usec;
    if (r >= 0)
        r = watch_arm(h->watch, t->deadline_usec);
    if (r >= 0 && curl_multi_add_handle(h->multi, t->easy) != CURLM_OK)
        r = -ENOMEM;
    if (r < 0) {
        exchange_clear(&t->exchange);
        LIST_INSERT_HEAD(&h->idle, t, list);
        return r;
    }
    LIST_INSERT_HEAD(&h->active, t, list);
    h->in_flight++;
    return 0;
}

unsigned http_in_flight(const struct http *h) {
    return h->in_flight;
}

int http_check_url(const char *url, const char **reterr_reason) {
    return url_check(url, reterr_reason);
}
