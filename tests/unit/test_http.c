/* Transfers against real servers: what arrives there, how often, and what is said of it here.
 *
 * link: -lpthread */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "unit.h"

#include "base/clock.h"
#include "http_server.h"
#include "io/http.h"
#include "io/url.h"

#define LIMIT_USEC (10 * USEC_PER_SEC)

struct fixture {
    sd_event *event;
    struct http *http;
    struct server *server;
    unsigned done;
    unsigned to_start; /* further transfers, started from the callback */
    struct reply reply;
    char body[64];
    unsigned kinds[3];
    const char *path;
};

static void fixture_http(struct fixture *f, unsigned connections_max) {
    http_free(f->http);
    assert_int_equal(http_new(f->event, connections_max, &f->http), 0);
}

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    assert_true(sd_event_new(&f->event) >= 0);
    f->server = server_new();
    fixture_http(f, 8);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;

    http_free(f->http);
    sd_event_unref(f->event);
    server_free(f->server);
    free(f);
    return 0;
}

static void on_done(const struct reply *reply, void *userdata);

static int start_url(struct fixture *f, const char *method, const char *url, const char *body, uint64_t limit_usec) {
    struct request request;
    int r;

    request_init(&request);
    request.method = method;
    assert_int_equal(buf_append_string(&request.url, url), 0);
    assert_int_equal(buf_append_string(&request.body, body), 0);
    assert_int_equal(request_add_header(&request, "Authorization", "Bearer canary"), 0);
    assert_int_equal(request_add_header(&request, "Content-Type", "application/json"), 0);
    r = http_start(f->http, &request, limit_usec, on_done, f);
    request_done(&request);
    return r;
}

static int start(struct fixture *f, const char *path, uint64_t limit_usec) {
    char url[256];

    (void) snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", f->server->port, path);
    return start_url(f, "POST", url, "{\"text\":\"hello\"}", limit_usec);
}

static void on_done(const struct reply *reply, void *userdata) {
    struct fixture *f = userdata;

    f->done++;
    f->kinds[reply->kind]++;
    f->reply = *reply;
    assert_int_equal(reply->body[reply->body_size], '\0');
    (void) snprintf(f->body, sizeof(f->body), "%s", reply->body);
    if (reply->kind == REPLY_COMPLETE)
        assert_string_equal(reply->reason, "");
    else {
        assert_true(strlen(reply->reason) > 0);
        assert_null(strstr(reply->reason, "canary"));
    }
    if (f->to_start > 0) {
        f->to_start--;
        assert_int_equal(start(f, f->path, LIMIT_USEC), 0);
    }
}

static void run_until(struct fixture *f, unsigned done) {
    uint64_t end_usec = clock_monotonic_usec() + 60 * USEC_PER_SEC;

    while (f->done < done) {
        assert_true(clock_monotonic_usec() < end_usec);
        assert_true(sd_event_run(f->event, USEC_PER_SEC) >= 0);
    }
    assert_int_equal(f->done, done);
}

static void run_until_requests(struct fixture *f, int requests) {
    uint64_t end_usec = clock_monotonic_usec() + 60 * USEC_PER_SEC;

    while (f->server->requests < requests) {
        assert_true(clock_monotonic_usec() < end_usec);
        assert_true(sd_event_run(f->event, USEC_PER_MSEC) >= 0);
    }
}

static void call_url(struct fixture *f, const char *method, const char *url, uint64_t limit_usec) {
    assert_int_equal(start_url(f, method, url, strcmp(method, "GET") == 0 ? "" : "{}", limit_usec), 0);
    run_until(f, f->done + 1);
}

static void call(struct fixture *f, const char *path) {
    assert_int_equal(start(f, path, LIMIT_USEC), 0);
    run_until(f, f->done + 1);
}

/* ---- what a request looks like ---- */

static void test_request(void **state) {
    struct fixture *f = *state;

    call(f, "/ok");
    assert_int_equal(f->reply.kind, REPLY_COMPLETE);
    assert_int_equal(f->reply.status, 200);
    assert_string_equal(f->body, "{\"ok\":true}");
    assert_int_equal(f->reply.retry_after_sec, -1);
    assert_memory_equal(f->server->last, "POST /ok HTTP/1.1\r\n", 19);
    assert_non_null(strstr(f->server->last, "\r\nAuthorization: Bearer canary\r\n"));
    assert_non_null(strstr(f->server->last, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(f->server->last, "\r\nContent-Length: 16\r\n"));
    assert_non_null(strstr(f->server->last, "\r\n\r\n{\"text\":\"hello\"}"));
    assert_null(strcasestr(f->server->last, "\r\nExpect:"));
    assert_null(strcasestr(f->server->last, "\r\nAccept-Encoding:"));
    assert_int_equal(http_in_flight(f->http), 0);
}

/* A handle that is used again must carry nothing over from the request before. */
static void test_methods(void **state) {
    static const char *const methods[] = {"POST", "GET", "PUT", "GET", "DELETE", "POST", "PATCH", "GET"};
    struct fixture *f = *state;
    char url[128], line[64];

    (void) snprintf(url, sizeof(url), "http://127.0.0.1:%d/ok", f->server->port);
    for (size_t i = 0; i < ELEMENTSOF(methods); i++) {
        call_url(f, methods[i], url, LIMIT_USEC);
        assert_int_equal(f->reply.kind, REPLY_COMPLETE);
        (void) snprintf(line, sizeof(line), "%s /ok HTTP/1.1\r\n", methods[i]);
        assert_memory_equal(f->server->last, line, strlen(line));
        assert_true((strstr(f->server->last, "\r\n\r\n{}") == NULL) == (strcmp(methods[i], "GET") == 0));
    }
    assert_int_equal(f->server->connections, 1);
}

static void test_refused_at_once(void **state) {
    static const char *const urls[] = {"ftp://127.0.0.1/", "file:///etc/passwd", "127.0.0.1", "http://u:p@127.0.0.1/",
                                       "http://127.0.0.1/a b", "http://127.0.0.1/a\r\nX: y", "http:///x", ""};
    struct fixture *f = *state;
    struct request request;
    char url[128];

    for (size_t i = 0; i < ELEMENTSOF(urls); i++) {
        const char *reason = NULL;

        assert_int_equal(start_url(f, "POST", urls[i], "", LIMIT_USEC), -EINVAL);
        assert_int_equal(url_check(urls[i], &reason), -EINVAL);
        assert_non_null(reason);
    }
    (void) snprintf(url, sizeof(url), "http://127.0.0.1:%d/ok", f->server->port);
    assert_int_equal(start_url(f, "HEAD", url, "", LIMIT_USEC), -EINVAL);
    assert_int_equal(start_url(f, "GET /x HTTP/1.1\r\n", url, "", LIMIT_USEC), -EINVAL);
    assert_int_equal(start_url(f, "POST", url, "", 0), -EINVAL);

    /* Line ends in a header value would be a second request: refused where it is made, and again where it is sent. */
    request_init(&request);
    request.method = "POST";
    assert_int_equal(request_add_header(&request, "Authorization", "x\r\n\r\nGET /smuggled HTTP/1.1"), -EINVAL);
    assert_int_equal(buf_append_string(&request.url, url), 0);
    request.headers[0] = BUF_MAX(256);
    assert_int_equal(buf_append_string(&request.headers[0], "A: x\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n"), 0);
    request.header_count = 1;
    assert_int_equal(http_start(f->http, &request, LIMIT_USEC, on_done, f), -EINVAL);
    request_done(&request);
    call(f, "/ok");
    assert_int_equal(f->server->requests, 1);
    assert_int_equal(f->done, 1);
}

/* ---- at most once ---- */

/* libcurl sends a request again when a kept connection ends after it was read and before the answer. */
static void kept_connection_ends(struct fixture *f, const char *path) {
    int before = f->server->requests;

    call(f, "/ok");
    assert_int_equal(f->reply.kind, REPLY_COMPLETE);
    call(f, path);
    assert_int_equal(f->reply.kind, REPLY_UNKNOWN);
    assert_int_equal(f->server->requests, before + 2);
    call(f, "/ok");
    assert_int_equal(f->reply.kind, REPLY_COMPLETE);
    assert_int_equal(f->server->requests, before + 3);
}

static void test_sent_once(void **state) {
    for (int i = 0; i < 20; i++) {
        kept_connection_ends(*state, "/fin");
        kept_connection_ends(*state, "/rst");
    }
}

static void test_sent_once_get(void **state) {
    struct fixture *f = *state;
    char url[128];

    call(f, "/ok");
    (void) snprintf(url, sizeof(url), "http://127.0.0.1:%d/fin", f->server->port);
    call_url(f, "GET", url, LIMIT_USEC);
    assert_int_equal(f->reply.kind, REPLY_UNKNOWN);
    assert_int_equal(f->server->requests, 2);
}

static void test_sent_once_many(void **state) {
    struct fixture *f = *state;

    for (int i = 0; i < 8; i++)
        assert_int_equal(start(f, "/ok", LIMIT_USEC), 0);
    run_until(f, 8);
    for (int i = 0; i < 100; i++)
        assert_int_equal(start(f, i % 3 ? "/fin" : "/ok", LIMIT_USEC), 0);
    run_until(f, 108);
    assert_int_equal(f->kinds[REPLY_UNSENT], 0);
    assert_int_equal(f->server->requests, 108);
}

/* The peer ends an idle connection: no spinning meanwhile, and the next request takes a new one. */
static void test_idle_connection_ends(void **state) {
    struct fixture *f = *state;
    unsigned passes = 0;

    call(f, "/ok-close");
    while (sd_event_run(f->event, 100 * USEC_PER_MSEC) > 0)
        assert_true(passes++ < 20);
    call(f, "/ok");
    assert_int_equal(f->reply.kind, REPLY_COMPLETE);
    assert_int_equal(f->server->requests, 2);
    assert_int_equal(f->server->connections, 2);
}

/* ---- certainly unsent ---- */

static void assert_unsent(struct fixture *f, const char *method, const char *url, const char *reason) {
    call_url(f, method, url, LIMIT_USEC);
    assert_int_equal(f->reply.kind, REPLY_UNSENT);
    assert_int_equal(f->reply.status, 0);
    if (!strstr(f->reply.reason, reason))
        fail_msg("%s: \"%s\" does not say \"%s\"", url, f->reply.reason, reason);
}

static void test_connect_refused(void **state) {
    char url[128], reason[128];
    int port, fd = server_listen(1, &port);

    (void) close(fd);
    (void) snprintf(url, sizeof(url), "http://127.0.0.1:%d/path?secret=x", port);
    (void) snprintf(reason, sizeof(reason), "127.0.0.1:%d: cannot connect: Connection refused", port);
    assert_unsent(*state, "POST", url, reason);
    assert_null(strstr(((struct fixture *) *state)->reply.reason, "secret"));
}

static void test_unknown_name(void **state) {
    assert_unsent(*state, "POST", "http://no-such-gateway.invalid/x", "no-such-gateway.invalid: the name cannot be resolved");
}

static void test_addresses(void **state) {
    struct fixture *f = *state;

    assert_unsent(f, "POST", "http://169.254.169.254/latest", "169.254.169.254 is not allowed");
    assert_unsent(f, "POST", "https://169.254.169.254/latest", "169.254.169.254 is not allowed");
    assert_unsent(f, "POST", "https://[::ffff:169.254.169.254]/", "is not allowed");
    assert_unsent(f, "POST", "https://[fe80::1]/", "fe80::1 is not allowed");
    assert_unsent(f, "POST", "http://0/", "0.0.0.0 is not allowed");
    assert_unsent(f, "POST", "http://192.0.2.7/", "use https");
    assert_unsent(f, "POST", "http://[2001:db8::1]/", "use https");
}

/* A listener whose queue is full takes no connection, and says nothing. */
static void test_black_hole(void **state) {
    struct fixture *f = *state;
    char url[128];
    int port, fd = server_listen(0, &port), fillers[8];
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t) port)};
    uint64_t begin_usec;

    for (size_t i = 0; i < ELEMENTSOF(fillers); i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void) connect(fillers[i], (struct sockaddr *) &address, sizeof(address));
    }
    (void) snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
    begin_usec = clock_monotonic_usec();
    assert_int_equal(start_url(f, "POST", url, "{}", 300 * USEC_PER_MSEC), 0);
    assert_int_equal(start_url(f, "POST", url, "{}", 30 * USEC_PER_SEC), 0);
    run_until(f, 1);
    assert_in_range(clock_monotonic_usec() - begin_usec, 299 * USEC_PER_MSEC, 2 * USEC_PER_SEC);
    assert_int_equal(f->reply.kind, REPLY_UNSENT);
    assert_non_null(strstr(f->reply.reason, "nothing could be sent within 0.3 s"));
    call(f, "/ok"); /* others go on meanwhile */
    assert_int_equal(f->reply.kind, REPLY_COMPLETE);
    run_until(f, 3);
    assert_in_range(clock_monotonic_usec() - begin_usec, 4 * USEC_PER_SEC, 8 * USEC_PER_SEC);
    assert_int_equal(f->reply.kind, REPLY_UNSENT);
    for (size_t i = 0; i < ELEMENTSOF(fillers); i++)
        (void) close(fillers[i]);
    (void) close(fd);
}

/* A transfer that waits for a connection has its limit as well. */
static void test_waiting_expires(void **state) {
    struct fixture *f = *state;
    uint64_t begin_usec;

    fixture_http(f, 1);
    begin_usec = clock_monotonic_usec();
    assert_int_equal(start(f, "/hang", LIMIT_USEC), 0);
    run_until_requests(f, 1);
    assert_int_equal(start(f, "/ok", 200 * USEC_PER_MSEC), 0);
    run_until(f, 1);
    assert_int_equal(f->reply.kind, REPLY_UNSENT);
    assert_true(clock_monotonic_usec() - begin_usec < 5 * USEC_PER_SEC);
    assert_int_equal(f->server->requests, 1);
    assert_int_equal(http_in_flight(f->http), 1);
}

/* This process is stopped in the moment before a request leaves, by a new connection or by a kept one, and goes on too late. */
static void test_stopped_before_it_leaves(void **state) {
    static const struct timespec stopped = {.tv_nsec = 60 * 1000 * 1000};
    struct fixture *f = *state;

    for (int i = 0; i < 10; i++) {
        call(f, i % 2 ? "/ok" : "/ok-close");
        assert_int_equal(f->reply.kind, REPLY_COMPLETE);
        assert_int_equal(start(f, "/ok", 50 * USEC_PER_MSEC), 0);
        (void) nanosleep(&stopped, NULL);
        run_until(f, f->done + 1);
        assert_int_equal(f->reply.kind, REPLY_UNSENT);
        assert_non_null(strstr(f->reply.reason, "nothing could be sent within 0.05 s"));
        assert_int_equal(f->server->requests, i + 1);
    }
}

/* ---- in doubt ---- */

static void test_unknown(void **state) {
    static const struct {
        const char *path;
        const char *reason;
    } rows[] = {
        {"/fin", "without an answer"},
        {"/rst", "reset by peer"},
        {"/no-read", "after the request was sent"},
        {"/cut", "the answer broke off"},
        {"/cut-head", "the answer broke off"},
        {"/cut-chunk", "the answer broke off"},
        {"/bad-chunk", "after the request was sent"},
        {"/rst-middle", "reset by peer"},
        {"/garbage", "after the request was sent"},
        {"/only-interim", ""},
        {"/switch", "no final status"},
        {"/big", "the answer was too long"},
        {"/headers", "the answer was too long"},
        {"/header-line", "a header line was too long"},
        {"/interims", "the answer was too long"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        call(f, rows[i].path);
        if (f->reply.kind != REPLY_UNKNOWN || !strstr(f->reply.reason, rows[i].reason))
            fail_msg("%s: kind %d, \"%s\"", rows[i].path, f->reply.kind, f->reply.reason);
        assert_true(f->reply.body_size <= REPLY_BODY_BYTES_MAX);
        assert_int_equal(f->server->requests, i + 1);
    }
}

static void test_too_slow(void **state) {
    static const char *const paths[] = {"/hang", "/drip"};
    struct fixture *f = *state;

    for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
        uint64_t begin_usec = clock_monotonic_usec();

        assert_int_equal(start(f, paths[i], 250 * USEC_PER_MSEC), 0);
        run_until(f, f->done + 1);
        assert_in_range(clock_monotonic_usec() - begin_usec, 249 * USEC_PER_MSEC, 2 * USEC_PER_SEC);
        assert_int_equal(f->reply.kind, REPLY_UNKNOWN);
        assert_non_null(strstr(f->reply.reason, "no whole answer came within 0.25 s"));
    }
}

/* ---- answers ---- */

static void test_answers(void **state) {
    static const struct {
        const char *path;
        int status;
        const char *body;
        int64_t retry_after_sec;
    } rows[] = {
        {"/chunked", 200, "hello world", -1},   {"/interim", 200, "{\"ok\":true}", -1}, {"/http10", 200, "until the end", -1},
        {"/gzip", 200, "\x1f\x8b\x08\x01", -1}, {"/redirect", 307, "", -1},           {"/retry", 429, "late", 7},
        {"/retry-zero", 503, "", 0},            {"/retry-year", 503, "", 86400},      {"/retry-date", 503, "", 86400},
        {"/retry-odd", 503, "", -1},            {"/created", 201, "", -1},            {"/nothing", 204, "", -1},
        {"/absent", 404, "", -1},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        call(f, rows[i].path);
        if (f->reply.kind != REPLY_COMPLETE || f->reply.status != rows[i].status)
            fail_msg("%s: kind %d, status %d, %s", rows[i].path, f->reply.kind, f->reply.status, f->reply.reason);
        assert_string_equal(f->body, rows[i].body);
        assert_int_equal(f->reply.retry_after_sec, rows[i].retry_after_sec);
        assert_int_equal(f->server->requests, i + 1);
    }
}

/* ---- an answer that is not kept ---- */

static struct {
    size_t bytes, most;
} sunk;

static int sink(const char *bytes, size_t size, _unused_ void *userdata) {
    sunk.bytes += size;
    return bytes && sunk.bytes > sunk.most ? -EBADMSG : 0;
}

static void call_streamed(struct fixture *f, const char *path, size_t most) {
    struct request request;

    sunk.bytes = 0;
    sunk.most = most;
    request_init(&request);
    assert_int_equal(buf_printf(&request.url, "http://127.0.0.1:%d%s", f->server->port, path), 0);
    assert_int_equal(http_start_streamed(f->http, &request, LIMIT_USEC, sink, on_done, f), 0);
    request_done(&request);
    run_until(f, f->done + 1);
}

static void test_streamed(void **state) {
    struct fixture *f = *state;

    call_streamed(f, "/chunked", SIZE_MAX);
    assert_int_equal(f->reply.kind, REPLY_COMPLETE);
    assert_int_equal(f->reply.body_size, 0);
    assert_true(sunk.bytes > 0 && sunk.bytes < 100);
    call_streamed(f, "/big", SIZE_MAX);
    assert_int_equal(f->reply.kind, REPLY_COMPLETE);
    assert_true(sunk.bytes > REPLY_BODY_BYTES_MAX);
    call_streamed(f, "/retry", SIZE_MAX); /* what is no success is kept, to be understood */
    assert_int_equal(f->reply.status, 429);
    assert_string_equal(f->body, "late");
    assert_int_equal(sunk.bytes, 0);
    call_streamed(f, "/big", 100 * 1024);
    assert_int_equal(f->reply.kind, REPLY_UNKNOWN);
    assert_true(sunk.bytes < 200 * 1024);
    call(f, "/ok"); /* the next one has its answer again */
    assert_int_equal(f->reply.kind, REPLY_COMPLETE);
    assert_true(f->reply.body_size > 0);
}

static void test_conflicting_lengths(void **state) {
    struct fixture *f = *state;

    call(f, "/two-lengths");
    assert_int_not_equal(f->reply.kind, REPLY_UNSENT);
    call(f, "/ok");
    assert_string_equal(f->body, "{\"ok\":true}");
}

static void test_proxy_of_environment(void **state) {
    struct fixture *f = *state;
    struct server *proxy = server_new();
    char url[64];

    (void) snprintf(url, sizeof(url), "http://127.0.0.1:%d", proxy->port);
    assert_int_equal(setenv("http_proxy", url, 1), 0);
    assert_int_equal(setenv("all_proxy", url, 1), 0);
    fixture_http(f, 1);
    call(f, "/ok");
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    assert_int_equal(f->reply.kind, REPLY_COMPLETE);
    assert_int_equal(proxy->connections, 0);
    assert_int_equal(f->server->requests, 1);
    server_free(proxy);
}

/* ---- many ---- */

static void test_connections_are_reused(void **state) {
    struct fixture *f = *state;

    f->path = "/ok";
    f->to_start = 5000 - 32;
    for (int i = 0; i < 32; i++)
        assert_int_equal(start(f, "/ok", LIMIT_USEC), 0);
    assert_int_equal(http_in_flight(f->http), 32);
    run_until(f, 5000);
    assert_int_equal(f->kinds[REPLY_COMPLETE], 5000);
    assert_int_equal(f->server->requests, 5000);
    assert_in_range(f->server->connections, 1, 8);
    assert_int_equal(http_in_flight(f->http), 0);
}

/* The server answers none before it has all of them. */
static void test_all_at_once(void **state) {
    struct fixture *f = *state;

    f->server->together = 500;
    fixture_http(f, 500);
    for (int i = 0; i < 500; i++)
        assert_int_equal(start(f, "/together", 30 * USEC_PER_SEC), 0);
    run_until(f, 500);
    assert_int_equal(f->kinds[REPLY_COMPLETE], 500);
    assert_int_equal(f->server->requests, 500);
}

/* The limit of connections is one for all hosts; whoever has none waits, and nobody is forgotten. */
static void test_hosts_share_connections(void **state) {
    struct fixture *f = *state;
    struct server *other = server_new();
    char urls[2][64];

    fixture_http(f, 3);
    (void) snprintf(urls[0], sizeof(urls[0]), "http://127.0.0.1:%d/ok", f->server->port);
    (void) snprintf(urls[1], sizeof(urls[1]), "http://127.0.0.1:%d/ok", other->port);
    for (int i = 0; i < 300; i++)
        assert_int_equal(start_url(f, "POST", urls[i % 7 % 2], "{}", LIMIT_USEC), 0);
    run_until(f, 300);
    assert_int_equal(f->kinds[REPLY_COMPLETE], 300);
    assert_int_equal(f->server->requests + other->requests, 300);
    server_free(other);
}

static void test_free_in_flight(void **state) {
    struct fixture *f = *state;

    fixture_http(f, 40);
    for (int i = 0; i < 50; i++)
        assert_int_equal(start(f, "/hang", LIMIT_USEC), 0);
    run_until_requests(f, 40);
    assert_int_equal(start_url(f, "POST", "http://no-such-gateway.invalid/", "", LIMIT_USEC), 0);
    assert_true(sd_event_run(f->event, 0) >= 0);
    assert_int_equal(start(f, "/ok", LIMIT_USEC), 0); /* added, and never run */
    assert_int_equal(http_in_flight(f->http), 52);
    f->http = http_free(f->http);
    while (sd_event_run(f->event, 0) > 0)
        ;
    assert_int_equal(f->done, 0);
}

/* ---- TLS and HTTP/2, by nghttpd ---- */

struct tls_server {
    pid_t pid;
    int port;
    char dir[32];
    char certificate[64];
    char log[64];
};

static bool is_listening(int port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t) port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_there = connect(fd, (struct sockaddr *) &address, sizeof(address)) == 0;

    (void) close(fd);
    return is_there;
}

static void tls_server_start(struct tls_server *s) {
    static const struct timespec pause = {.tv_nsec = 5000000};
    char command[512], port[16];
    int fd, log;

    (void) snprintf(s->dir, sizeof(s->dir), "/tmp/pgherald-tls-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    (void) snprintf(s->certificate, sizeof(s->certificate), "%s/cert.pem", s->dir);
    (void) snprintf(s->log, sizeof(s->log), "%s/log", s->dir);
    (void) snprintf(command, sizeof(command),
                    "openssl req -x509 -newkey rsa:2048 -nodes -keyout %s/key.pem -out %s -days 2 -subj /CN=localhost "
                    "-addext subjectAltName=IP:127.0.0.1,DNS:localhost 2>/dev/null", s->dir, s->certificate);
    assert_int_equal(system("command -v nghttpd openssl >/dev/null"), 0); /* tools/install-deps check installs them */
    assert_int_equal(system(command), 0);
    fd = server_listen(1, &s->port);
    (void) close(fd);
    (void) snprintf(port, sizeof(port), "%d", s->port);
    (void) snprintf(command, sizeof(command), "%s/key.pem", s->dir);
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0) {
        log = open(s->log, O_WRONLY | O_CREAT, 0600);
        (void) dup2(log, STDOUT_FILENO);
        (void) dup2(log, STDERR_FILENO);
        (void) execlp("nghttpd", "nghttpd", "-v", "--echo-upload", "-a", "127.0.0.1", port, command, s->certificate, NULL);
        _exit(127);
    }
    for (int i = 0; !is_listening(s->port); i++) {
        assert_true(i < 2000 && waitpid(s->pid, NULL, WNOHANG) == 0);
        (void) nanosleep(&pause, NULL);
    }
}

static void tls_server_stop(struct tls_server *s) {
    char command[64];

    (void) kill(s->pid, SIGTERM);
    (void) waitpid(s->pid, NULL, 0);
    (void) snprintf(command, sizeof(command), "rm -r %s", s->dir);
    assert_int_equal(system(command), 0);
}

/* How often a regular expression matches in what the server wrote. */
static int tls_server_count(const struct tls_server *s, const char *expression) {
    char command[256];
    FILE *pipe;
    int count = -1;

    (void) snprintf(command, sizeof(command), "grep -oE '%s' %s | sort -u | wc -l", expression, s->log);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_int_equal(fscanf(pipe, "%d", &count), 1);
    (void) pclose(pipe);
    return count;
}

static void test_tls(void **state) {
    struct fixture *f = *state;
    struct tls_server s = {0};
    char url[64];

    tls_server_start(&s);
    (void) snprintf(url, sizeof(url), "https://127.0.0.1:%d/echo", s.port);

    /* Nobody vouches for the certificate. */
    assert_unsent(f, "POST", url, "certificate");

    assert_int_equal(setenv("SSL_CERT_FILE", s.certificate, 1), 0);
    fixture_http(f, 8);
    call_url(f, "POST", url, LIMIT_USEC);
    if (f->reply.kind != REPLY_COMPLETE)
        fail_msg("%s", f->reply.reason);
    assert_int_equal(f->reply.status, 200);
    assert_string_equal(f->body, "{}");

    /* The right authority, but another host. */
    (void) snprintf(url, sizeof(url), "https://127.0.0.2:%d/echo", s.port);
    call_url(f, "POST", url, LIMIT_USEC);
    assert_int_equal(f->reply.kind, REPLY_UNSENT);
    unsetenv("SSL_CERT_FILE");
    tls_server_stop(&s);
}

static void test_http2(void **state) {
    struct fixture *f = *state;
    struct tls_server s = {0};
    char url[64];

    tls_server_start(&s);
    assert_int_equal(setenv("SSL_CERT_FILE", s.certificate, 1), 0);
    fixture_http(f, 8);
    (void) snprintf(url, sizeof(url), "https://localhost:%d/echo", s.port);
    for (int i = 0; i < 60; i++)
        assert_int_equal(start_url(f, "POST", url, "{\"n\":1}", LIMIT_USEC), 0);
    run_until(f, 60);
    assert_int_equal(f->kinds[REPLY_COMPLETE], 60);
    assert_string_equal(f->body, "{\"n\":1}");
    assert_int_equal(tls_server_count(&s, "recv HEADERS frame <.*stream_id=[0-9]+>"), 60);
    assert_int_equal(tls_server_count(&s, "^\\[id=[0-9]+\\].*recv SETTINGS frame <length=[1-9]"), 1);

    /* The server goes away with its connections kept. */
    (void) kill(s.pid, SIGKILL);
    (void) waitpid(s.pid, NULL, 0);
    call_url(f, "POST", url, LIMIT_USEC);
    assert_int_equal(f->reply.kind, REPLY_UNSENT);
    unsetenv("SSL_CERT_FILE");
    tls_server_stop(&s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_request),
        TEST(test_methods),
        TEST(test_refused_at_once),
        TEST(test_sent_once),
        TEST(test_sent_once_get),
        TEST(test_sent_once_many),
        TEST(test_idle_connection_ends),
        TEST(test_connect_refused),
        TEST(test_unknown_name),
        TEST(test_addresses),
        TEST(test_black_hole),
        TEST(test_waiting_expires),
        TEST(test_stopped_before_it_leaves),
        TEST(test_unknown),
        TEST(test_too_slow),
        TEST(test_answers),
        TEST(test_streamed),
        TEST(test_conflicting_lengths),
        TEST(test_proxy_of_environment),
        TEST(test_connections_are_reused),
        TEST(test_all_at_once),
        TEST(test_hosts_share_connections),
        TEST(test_free_in_flight),
        TEST(test_tls),
        TEST(test_http2),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
