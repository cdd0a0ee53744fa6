#include "io/wire.h"

#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"

enum {
    CONNECT_TIME_LIMIT_MSEC = 5000,
    LOGIN_TIME_LIMIT_MSEC = 120000, /* of a mail: servers make strangers wait; the limit of the whole counts */
    CONNECTION_IDLE_MAX_SEC = 50,   /* below the idle time of common gateways and load balancers */
    TCP_USER_TIMEOUT_MSEC = 15000,
};

struct wire {
    struct wires *wires;
    CURL *easy;
    struct exchange *exchange; /* libcurl borrows the body */
    void *userdata;
    CURLcode result;
    struct curl_slist header_list[REQUEST_HEADERS_MAX + 1]; /* into the exchange */
    char error[CURL_ERROR_SIZE];
};

struct wires {
    CURLM *multi;
    struct watch *watch;
    uint64_t due_usec; /* when libcurl wants to run */
    bool is_closing;
};

static size_t bytes_sent(const struct wire *w) {
    long bytes = 0;

    (void) curl_easy_getinfo(w->easy, CURLINFO_REQUEST_SIZE, &bytes);
    return (size_t) bytes;
}

/* ---- What libcurl asks of a transfer ---- */

/* Before each sending. libcurl repeats a request by itself when a kept connection broke before the first byte of an answer;
 * the gateway may have acted on it by then, so only a request of which nothing was sent may be sent again. And none leaves after
 * its time limit, where this process was stopped meanwhile: another may have sent the message by then. */
static int on_before_request(void *userdata, _unused_ char *remote, _unused_ char *local, _unused_ int remote_port,
                             _unused_ int local_port) {
    struct wire *w = userdata;

    return bytes_sent(w) == 0 && clock_monotonic_usec() < w->exchange->deadline_usec ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

/* Whether a mail's connection must be secured follows from the address, which nobody knew before. */
static void set_security(struct wire *w, enum address_kind kind) {
    static const long levels[] = {
        [MAIL_PLAIN] = CURLUSESSL_NONE, [MAIL_SECURE_IF_OFFERED] = CURLUSESSL_TRY, [MAIL_SECURE] = CURLUSESSL_ALL};

    (void) curl_easy_setopt(w->easy, CURLOPT_USE_SSL, levels[mail_security(kind, w->exchange->envelope.needs_tls)]);
}

static curl_socket_t on_open_socket(void *userdata, curlsocktype purpose, struct curl_sockaddr *address) {
    static const int user_timeout_msec = TCP_USER_TIMEOUT_MSEC;
    struct wire *w = userdata;
    struct exchange *e = w->exchange;
    enum address_kind kind = address_judge(&address->addr, address->addrlen);
    int fd;

    e->refusal = address_refusal(kind, e->with_tls);
    if (e->refusal) {
        address_to_string(&address->addr, address->addrlen, e->refused_address);
        return CURL_SOCKET_BAD;
    }
    if (e->is_mail)
        set_security(w, kind);
    fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    if (watch_open(w->wires->watch, fd) < 0) {
        (void) close(fd);
        return CURL_SOCKET_BAD;
    }
    /* Without it, a request to a host that vanished is repeated by the kernel for a quarter of an hour. */
    (void) setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_msec, sizeof(user_timeout_msec));
    return fd;
}

static int on_close_socket(void *userdata, curl_socket_t fd) {
    struct wires *w = userdata;

    watch_forget(w->watch, fd);
    return close(fd);
}

/* Of a mail server: each line that it says until the log-in is done. */
static size_t on_header(char *line, size_t size, size_t count, void *userdata) {
    struct wire *w = userdata;

    if (w->exchange->is_mail) {
        mail_hear(&w->exchange->mail, line, size * count);
        return size * count;
    }
    return answer_add_header(&w->exchange->answer, line, size * count, clock_wall_usec()) < 0 ? 0 : size * count;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *userdata) {
    struct wire *w = userdata;
    long status = 0;

    (void) curl_easy_getinfo(w->easy, CURLINFO_RESPONSE_CODE, &status);
    return exchange_add_body(w->exchange, (int) status, bytes, size * count) < 0 ? 0 : size * count;
}

/* ---- Making a wire ---- */

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
        rc = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https,smtp,smtps");
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(easy, CURLOPT_USERAGENT, "pgherald");
    if (rc == CURLE_OK && authorities && *authorities)
        rc = curl_easy_setopt(easy, CURLOPT_CAINFO, authorities);
    return curl_to_errno(rc);
}

/* None of these can fail: they store pointers. */
static void set_callbacks(struct wire *w) {
    (void) curl_easy_setopt(w->easy, CURLOPT_PRIVATE, w);
    (void) curl_easy_setopt(w->easy, CURLOPT_ERRORBUFFER, w->error);
    (void) curl_easy_setopt(w->easy, CURLOPT_PREREQFUNCTION, on_before_request);
    (void) curl_easy_setopt(w->easy, CURLOPT_PREREQDATA, w);
    (void) curl_easy_setopt(w->easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    (void) curl_easy_setopt(w->easy, CURLOPT_OPENSOCKETDATA, w);
    (void) curl_easy_setopt(w->easy, CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
    (void) curl_easy_setopt(w->easy, CURLOPT_CLOSESOCKETDATA, w->wires); /* outlives the transfer, as the connection does */
    (void) curl_easy_setopt(w->easy, CURLOPT_HEADERFUNCTION, on_header);
    (void) curl_easy_setopt(w->easy, CURLOPT_HEADERDATA, w);
    (void) curl_easy_setopt(w->easy, CURLOPT_WRITEFUNCTION, on_body);
    (void) curl_easy_setopt(w->easy, CURLOPT_WRITEDATA, w);
}

int wire_new(struct wires *wires, struct exchange *exchange, void *userdata, struct wire **ret) {
    _cleanup_(wire_freep) struct wire *w = calloc(1, sizeof(*w));
    int r;

    if (!w)
        return -ENOMEM;
    *w = (struct wire) {.wires = wires, .exchange = exchange, .userdata = userdata, .easy = curl_easy_init()};
    if (!w->easy)
        return -ENOMEM;
    r = set_numbers(w->easy);
    if (r < 0)
        return r;
    r = set_strings(w->easy);
    if (r < 0)
        return r;
    set_callbacks(w);
    *ret = TAKE_PTR(w);
    return 0;
}

struct wire *wire_free(struct wire *w) {
    if (!w)
        return NULL;
    curl_easy_cleanup(w->easy);
    free(w);
    return NULL;
}

/* ---- One transfer's way ---- */

static void set_headers(struct wire *w) {
    char *header = w->exchange->headers;

    for (size_t i = 0; i < w->exchange->header_count; i++) {
        struct curl_slist *next = i + 1 < w->exchange->header_count ? &w->header_list[i + 1] : NULL;

        w->header_list[i] = (struct curl_slist) {.data = header, .next = next};
        header += strlen(header) + 1;
    }
    (void) curl_easy_setopt(w->easy, CURLOPT_HTTPHEADER, w->header_list);
}

static int set_method_and_body(struct wire *w) {
    const struct exchange *e = w->exchange;
    bool is_get = strcmp(e->method, "GET") == 0, is_post = strcmp(e->method, "POST") == 0;

    if (is_get && e->body.size == 0)
        (void) curl_easy_setopt(w->easy, CURLOPT_HTTPGET, 1L);
    else {
        (void) curl_easy_setopt(w->easy, CURLOPT_POST, 1L);
        (void) curl_easy_setopt(w->easy, CURLOPT_POSTFIELDS, buf_string(&e->body));
        (void) curl_easy_setopt(w->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) e->body.size);
        is_get = false;
    }
    return curl_to_errno(curl_easy_setopt(w->easy, CURLOPT_CUSTOMREQUEST, is_get || is_post ? NULL : e->method));
}

static int set_http(struct wire *w) {
    int r;

    set_headers(w);
    r = set_method_and_body(w);
    /* Over TLS a new request rather waits for a connection that may turn out to speak HTTP/2. */
    (void) curl_easy_setopt(w->easy, CURLOPT_PIPEWAIT, (long) w->exchange->with_tls);
    return r;
}

/* Only as far as the log-in: libcurl would wait for the reply to a mail's end, and to QUIT, without giving the loop back. */
static int set_mail(struct wire *w) {
    const struct envelope *envelope = &w->exchange->envelope;
    CURLcode rc = CURLE_OK;

    (void) curl_easy_setopt(w->easy, CURLOPT_CONNECT_ONLY, 1L);
    (void) curl_easy_setopt(w->easy, CURLOPT_CONNECTTIMEOUT_MS, (long) LOGIN_TIME_LIMIT_MSEC);
    if (envelope->user.size > 0)
        rc = curl_easy_setopt(w->easy, CURLOPT_USERNAME, buf_string(&envelope->user));
    if (rc == CURLE_OK && envelope->user.size > 0)
        rc = curl_easy_setopt(w->easy, CURLOPT_PASSWORD, buf_string(&envelope->password));
    return curl_to_errno(rc);
}

/* The few options that differ from transfer to transfer. */
int wire_start(struct wire *w) {
    int r = w->exchange->is_mail ? set_mail(w) : set_http(w);

    w->error[0] = '\0';
    w->result = CURLE_OK;
    if (r >= 0)
        r = curl_to_errno(curl_easy_setopt(w->easy, CURLOPT_URL, buf_string(&w->exchange->url)));
    if (r >= 0 && curl_multi_add_handle(w->wires->multi, w->easy) != CURLM_OK)
        r = -ENOMEM;
    return r;
}

void wire_stop(struct wire *w) {
    (void) curl_multi_remove_handle(w->wires->multi, w->easy);
}

static enum exchange_end classify(CURLcode rc, size_t sent) {
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
        return EXCHANGE_SILENT;
    case CURLE_ABORTED_BY_CALLBACK: /* on_before_request() refused a sending: a second one, or one that comes too late */
        return sent > 0 ? EXCHANGE_SILENT : EXCHANGE_EXPIRED;
    case CURLE_PARTIAL_FILE:
        return EXCHANGE_BROKE_OFF;
    default:
        return EXCHANGE_FAILED;
    }
}

void wire_describe(const struct wire *w, struct exchange_result *ret) {
    long status = 0, error = 0;

    (void) curl_easy_getinfo(w->easy, CURLINFO_RESPONSE_CODE, &status);
    (void) curl_easy_getinfo(w->easy, CURLINFO_OS_ERRNO, &error);
    *ret = (struct exchange_result) {
        .end = classify(w->result, bytes_sent(w)),
        .status = (int) status,
        .bytes_sent = bytes_sent(w),
        .detail = w->error[0] ? w->error : curl_easy_strerror(w->result),
    };
    if (w->result == CURLE_COULDNT_CONNECT && error != 0)
        ret->detail = strerrordesc_np((int) error);
    if (w->result == CURLE_OUT_OF_MEMORY)
        ret->detail = "a header line was too long, or memory ran out"; /* libcurl calls both so */
}

/* ---- A mail's connection, once the log-in is done ---- */

int wire_socket(const struct wire *w) {
    curl_socket_t fd = CURL_SOCKET_BAD;

    (void) curl_easy_getinfo(w->easy, CURLINFO_ACTIVESOCKET, &fd);
    return fd == CURL_SOCKET_BAD ? -ENOTCONN : fd;
}

ssize_t wire_send(struct wire *w, const char *bytes, size_t size) {
    size_t n = 0;
    CURLcode rc = curl_easy_send(w->easy, bytes, size, &n);

    return rc == CURLE_OK ? (ssize_t) n : rc == CURLE_AGAIN ? -EAGAIN : -EPIPE;
}

ssize_t wire_receive(struct wire *w, char *bytes, size_t size) {
    size_t n = 0;
    CURLcode rc = curl_easy_recv(w->easy, bytes, size, &n);

    return rc == CURLE_OK ? (ssize_t) n : rc == CURLE_AGAIN ? -EAGAIN : -EPIPE;
}

/* ---- All of them ---- */

void wires_run(struct wires *w, int fd, uint32_t events) {
    int running;

    if (fd < 0)
        w->due_usec = UINT64_MAX;
    (void) curl_multi_socket_action(w->multi, fd < 0 ? CURL_SOCKET_TIMEOUT : fd,
                                    (events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                                            (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0),
                                    &running);
}

uint64_t wires_due_usec(const struct wires *w) {
    return w->due_usec;
}

void *wires_reap(struct wires *w, bool *ret_is_whole) {
    CURLMsg *message;
    struct wire *wire = NULL;
    int left;

    message = curl_multi_info_read(w->multi, &left);
    if (!message)
        return NULL;
    (void) curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &wire);
    wire->result = message->data.result; /* the message dies with the transfer */
    *ret_is_whole = wire->result == CURLE_OK;
    return wire->userdata;
}

/* The next two are called from inside libcurl, which must not be entered again: they only note what it wants. A descriptor
 * that cannot be watched leaves its transfer to the time limit. */
static int on_curl_socket(_unused_ CURL *easy, curl_socket_t fd, int what, void *userdata, _unused_ void *socket) {
    struct wires *w = userdata;
    uint32_t events = (what == CURL_POLL_IN || what == CURL_POLL_INOUT ? EPOLLIN : 0) |
                      (what == CURL_POLL_OUT || what == CURL_POLL_INOUT ? EPOLLOUT : 0);

    if (!w->is_closing)
        (void) watch_set(w->watch, fd, events);
    return 0;
}

static int on_curl_timer(_unused_ CURLM *multi, long timeout_msec, void *userdata) {
    struct wires *w = userdata;

    if (w->is_closing)
        return 0;
    w->due_usec = UINT64_MAX;
    if (timeout_msec == 0)
        watch_kick(w->watch);
    else if (timeout_msec > 0) {
        w->due_usec = clock_monotonic_usec() + (uint64_t) timeout_msec * USEC_PER_MSEC;
        (void) watch_arm(w->watch, w->due_usec);
    }
    return 0;
}

static int set_up_multi(struct wires *w, unsigned connections_max) {
    long most = (long) connections_max;

    w->multi = curl_multi_init();
    if (!w->multi)
        return -ENOMEM;
    (void) curl_multi_setopt(w->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    (void) curl_multi_setopt(w->multi, CURLMOPT_SOCKETDATA, w);
    (void) curl_multi_setopt(w->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    (void) curl_multi_setopt(w->multi, CURLMOPT_TIMERDATA, w);
    (void) curl_multi_setopt(w->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    (void) curl_multi_setopt(w->multi, CURLMOPT_MAXCONNECTS, most);
    (void) curl_multi_setopt(w->multi, CURLMOPT_MAX_HOST_CONNECTIONS, most);
    (void) curl_multi_setopt(w->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, most);
    return 0;
}

int wires_new(struct watch *watch, unsigned connections_max, struct wires **ret) {
    _cleanup_(wires_freep) struct wires *w = NULL;
    int r;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return -ENOMEM;
    w = calloc(1, sizeof(*w));
    if (!w) {
        curl_global_cleanup();
        return -ENOMEM;
    }
    *w = (struct wires) {.watch = watch, .due_usec = UINT64_MAX};
    r = set_up_multi(w, connections_max);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(w);
    return 0;
}

void wires_close(struct wires *w) {
    w->is_closing = true;
}

struct wires *wires_free(struct wires *w) {
    if (!w)
        return NULL;
    w->is_closing = true; /* libcurl calls back until the last connection is closed */
    (void) curl_multi_cleanup(w->multi);
    free(w);
    curl_global_cleanup();
    return NULL;
}
