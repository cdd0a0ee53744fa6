/* An HTTP server for tests: real sockets on 127.0.0.1, a thread a connection, and misbehaviour chosen by the path. */
#pragma once

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SERVER_CONNECTIONS_MAX = 4096, SERVER_REQUEST_BYTES_MAX = 512 * 1024, SERVER_LAST_BYTES = 4096 };

struct server_connection {
    struct server *server;
    pthread_t thread;
    int fd;
    size_t requests;
    char *input;
};

struct server {
    int fd;
    int port;
    pthread_t acceptor;
    atomic_bool is_stopping;
    atomic_int connections;
    atomic_int requests;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int waiting;       /* at the barrier of /together */
    int together;      /* how many must come before all are answered */
    char last[SERVER_LAST_BYTES]; /* the beginning of the last request */
    struct server_connection *open[SERVER_CONNECTIONS_MAX];
};

static inline bool server_send(int fd, const char *text, size_t size) {
    while (size > 0) {
        ssize_t n = send(fd, text, size, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        text += n;
        size -= (size_t) n;
    }
    return true;
}

static inline bool server_say(int fd, const char *text) {
    return server_send(fd, text, strlen(text));
}

/* Reads one whole request; false at the end of the connection. */
static inline bool server_read(struct server_connection *c) {
    size_t size = 0, needed = 0;

    for (;;) {
        ssize_t n = recv(c->fd, c->input + size, SERVER_REQUEST_BYTES_MAX - size - 1, 0);
        const char *end, *length;

        if (n <= 0)
            return false;
        size += (size_t) n;
        c->input[size] = '\0';
        end = strstr(c->input, "\r\n\r\n");
        if (!end)
            continue;
        if (strncmp(c->input, "POST /no-read", 13) == 0)
            return true;
        length = strcasestr(c->input, "\r\nContent-Length:");
        needed = (size_t) (end + 4 - c->input) + (length && length < end ? strtoul(length + 17, NULL, 10) : 0);
        if (size >= needed)
            return true;
    }
}

static inline void server_reset(int fd) {
    struct linger linger = {.l_onoff = 1};

    (void) setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

/* Until the peer closes. */
static inline void server_hang(int fd) {
    char byte;

    while (recv(fd, &byte, 1, 0) > 0)
        ;
}

static inline void server_drip(int fd) {
    static const struct timespec pause = {.tv_nsec = 10000000};

    (void) server_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
    while (server_say(fd, "x"))
        (void) nanosleep(&pause, NULL); /* it is slow on purpose */
}

static inline void server_repeat(int fd, const char *text, size_t times) {
    for (size_t i = 0; i < times && server_say(fd, text); i++)
        ;
}

static inline void server_big(int fd) {
    static char block[64 * 1024];

    (void) server_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n");
    for (int i = 0; i < 160 && server_send(fd, block, sizeof(block)); i++)
        ;
}

static inline void server_wait_together(struct server *s) {
    pthread_mutex_lock(&s->lock);
    s->waiting++;
    pthread_cond_broadcast(&s->changed);
    while (s->waiting < s->together && !s->is_stopping)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

#define SERVER_OK "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"ok\":true}"

/* What is answered as it stands, and then whether the connection stays. */
static const struct {
    const char *path;
    const char *answer;
    enum { SERVER_KEEPS, SERVER_CLOSES, SERVER_RESETS } then;
} server_answers[] = {
    {"/ok", SERVER_OK, SERVER_KEEPS},
    {"/ok-close", SERVER_OK, SERVER_CLOSES},
    {"/fin", "", SERVER_CLOSES},
    {"/rst", "", SERVER_RESETS},
    {"/no-read", "", SERVER_RESETS},
    {"/cut", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789", SERVER_CLOSES},
    {"/cut-head", "HTTP/1.1 200 OK\r\nContent-Le", SERVER_CLOSES},
    {"/cut-chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nwo", SERVER_CLOSES},
    {"/bad-chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n", SERVER_CLOSES},
    {"/rst-middle", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789", SERVER_RESETS},
    {"/garbage", "this is not HTTP\r\n\r\n", SERVER_CLOSES},
    {"/only-interim", "HTTP/1.1 100 Continue\r\n\r\n", SERVER_CLOSES},
    {"/switch", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: upgrade\r\n\r\nother", SERVER_CLOSES},
    {"/interim",
     "HTTP/1.1 100 Continue\r\nRetry-After: 5\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" SERVER_OK, SERVER_KEEPS},
    {"/chunked",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", SERVER_KEEPS},
    {"/http10", "HTTP/1.0 200 OK\r\n\r\nuntil the end", SERVER_CLOSES},
    {"/two-lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 9\r\n\r\nhello", SERVER_CLOSES},
    {"/gzip", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x01", SERVER_KEEPS},
    {"/redirect", "HTTP/1.1 307 Temporary Redirect\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n", SERVER_KEEPS},
    {"/retry", "HTTP/1.1 429 Too Many\r\nretry-after:  7 \r\nContent-Length: 4\r\n\r\nlate", SERVER_KEEPS},
    {"/retry-zero", "HTTP/1.1 503 No\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n", SERVER_KEEPS},
    {"/retry-year", "HTTP/1.1 503 No\r\nRetry-After: 31536000\r\nContent-Length: 0\r\n\r\n", SERVER_KEEPS},
    {"/retry-date", "HTTP/1.1 503 No\r\nRetry-After: Fri, 31 Dec 2099 23:59:59 GMT\r\nContent-Length: 0\r\n\r\n", SERVER_KEEPS},
    {"/retry-odd", "HTTP/1.1 503 No\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n", SERVER_KEEPS},
    {"/created", "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", SERVER_KEEPS},
    {"/nothing", "HTTP/1.1 204 No Content\r\n\r\n", SERVER_KEEPS},
};

/* False: the connection ends. */
static inline bool server_answer(struct server_connection *c, const char *path) {
    for (size_t i = 0; i < sizeof(server_answers) / sizeof(server_answers[0]); i++)
        if (strcmp(path, server_answers[i].path) == 0) {
            if (server_answers[i].then == SERVER_RESETS)
                server_reset(c->fd);
            return server_say(c->fd, server_answers[i].answer) && server_answers[i].then == SERVER_KEEPS;
        }
    if (strcmp(path, "/hang") == 0)
        server_hang(c->fd);
    else if (strcmp(path, "/drip") == 0)
        server_drip(c->fd);
    else if (strcmp(path, "/big") == 0)
        server_big(c->fd);
    else if (strcmp(path, "/headers") == 0) {
        (void) server_say(c->fd, "HTTP/1.1 200 OK\r\n");
        server_repeat(c->fd, "X-Filler: 0123456789012345678901234567890123456789\r\n", 1000000);
    } else if (strcmp(path, "/header-line") == 0) {
        (void) server_say(c->fd, "HTTP/1.1 200 OK\r\nX-Filler: ");
        server_repeat(c->fd, "0123456789012345678901234567890123456789", 100000);
    } else if (strcmp(path, "/interims") == 0)
        server_repeat(c->fd, "HTTP/1.1 100 Continue\r\n\r\n", 1000000);
    else if (strcmp(path, "/together") == 0) {
        server_wait_together(c->server);
        return server_say(c->fd, SERVER_OK);
    } else
        return server_say(c->fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    return false;
}

static inline void *server_serve(void *argument) {
    struct server_connection *c = argument;
    struct server *s = c->server;

    while (server_read(c)) {
        char path[64] = "";

        pthread_mutex_lock(&s->lock);
        (void) snprintf(s->last, sizeof(s->last), "%s", c->input);
        s->requests++;
        pthread_cond_broadcast(&s->changed);
        pthread_mutex_unlock(&s->lock);
        (void) sscanf(c->input, "%*s %63s", path);
        if (!server_answer(c, path))
            break;
    }
    pthread_mutex_lock(&s->lock);
    (void) close(c->fd);
    c->fd = -1;
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static inline void *server_accept(void *argument) {
    struct server *s = argument;

    for (;;) {
        struct server_connection *c;
        int fd = accept(s->fd, NULL, NULL);

        if (fd < 0 || s->is_stopping) {
            if (fd >= 0)
                (void) close(fd);
            return NULL;
        }
        assert(s->connections < SERVER_CONNECTIONS_MAX);
        c = calloc(1, sizeof(*c));
        assert(c);
        *c = (struct server_connection) {.server = s, .fd = fd, .input = malloc(SERVER_REQUEST_BYTES_MAX)};
        assert(c->input);
        s->open[s->connections] = c;
        s->connections++;
        if (pthread_create(&c->thread, NULL, server_serve, c) != 0)
            abort();
    }
}

static inline int server_listen(int backlog, int *ret_port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *) &address, size) < 0 || listen(fd, backlog) < 0 ||
        getsockname(fd, (struct sockaddr *) &address, &size) < 0)
        abort();
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static inline struct server *server_new(void) {
    struct server *s = calloc(1, sizeof(*s));

    assert(s);
    s->fd = server_listen(1024, &s->port);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    if (pthread_create(&s->acceptor, NULL, server_accept, s) != 0)
        abort();
    return s;
}

static inline void server_free(struct server *s) {
    s->is_stopping = true;
    (void) shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->acceptor, NULL);
    (void) close(s->fd);
    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < s->connections; i++)
        if (s->open[i]->fd >= 0)
            (void) shutdown(s->open[i]->fd, SHUT_RDWR);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    for (int i = 0; i < s->connections; i++) {
        pthread_join(s->open[i]->thread, NULL);
        free(s->open[i]->input);
        free(s->open[i]);
    }
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
    free(s);
}
