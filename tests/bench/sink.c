/* The receiving end of the benchmarks: a gateway that accepts everything, and remembers when what arrived.
 *
 *     sink [--port N] [--latency-ms N]
 *
 * One thread, HTTP/1.1 with kept connections, on 127.0.0.1; --port 0 (the default) lets the kernel choose, and the port is
 * printed as the first line. A POST of a message, to any path that ends in /messages, is answered as the Cloud API answers a
 * success, after the latency. It costs a few microseconds of processor time a request, so that what is measured is the sender.
 *
 * GET /stats   {"received":N,"distinct":N,"duplicates":N,"unidentified":N,"connections":N}
 * GET /dump    a line a request, in order of arrival: "usec id attempt body", usec since 1970
 * POST /reset  forgets all
 *
 * It trusts its peer: whoever can reach it may fill its memory. Nothing but the benchmarks should. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 4096,
    INPUT_BYTES = 64 * 1024,   /* the longest request */
    RECORDS_MAX = 5000000,
    IDS_MAX = 1 << 28,         /* message ids below this are told apart */
    BODY_BYTES_MAX = 200,      /* of a text, as it stands in the JSON */
    CHUNK_BYTES = 1024 * 1024, /* texts are kept in chunks */
    DUMP_LINE_BYTES = 3 * 21 + BODY_BYTES_MAX + 1,
    EVENTS = 256,
};

struct record {
    int64_t usec;
    int64_t id; /* -1: the request named none */
    int64_t attempt;
    const char *body; /* in a chunk */
    uint8_t body_bytes;
};

struct connection {
    int fd;
    uint32_t generation; /* counts what used this place, so that a late answer does not go to the wrong one */
    size_t input_bytes;
    char *input; /* INPUT_BYTES, kept for the next connection in this place */
};

/* An answer that waits for its latency. The latency is the same for all, so they are due in the order of their arrival. */
struct delayed {
    int64_t due_usec;
    uint32_t place;
    uint32_t generation;
    uint64_t number;
};

struct sink {
    int epoll_fd;
    int listen_fd;
    int64_t latency_usec;
    struct connection connections[CONNECTIONS_MAX];
    struct delayed delayed[CONNECTIONS_MAX]; /* ring; a connection has one request at a time under way */
    uint64_t delayed_first, delayed_end;
    struct record *records;
    size_t record_count, records_allocated;
    char *chunk, *chunks; /* each chunk begins with a pointer to the one before */
    size_t chunk_used;
    uint8_t *seen; /* a bit an id */
    size_t seen_bytes;
    uint64_t received, distinct, duplicates, unidentified, open;
};

static void die(const char *what) {
    fprintf(stderr, "sink: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_usec(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t) t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Keeps a text, and returns where. */
static const char *keep_text(struct sink *s, const char *text, size_t bytes) {
    if (!s->chunk || s->chunk_used + bytes > CHUNK_BYTES) {
        char *chunk = malloc(CHUNK_BYTES);
        if (!chunk)
            die("memory");
        memcpy(chunk, &s->chunks, sizeof(s->chunks));
        s->chunk = s->chunks = chunk;
        s->chunk_used = sizeof(s->chunks);
    }
    char *kept = s->chunk + s->chunk_used;
    memcpy(kept, text, bytes);
    s->chunk_used += bytes;
    return kept;
}

/* Counts the id; whether it is new. */
static bool see(struct sink *s, int64_t id) {
    size_t byte = (size_t) id / 8;
    if (byte >= s->seen_bytes) {
        size_t bytes = s->seen_bytes ? s->seen_bytes : 4096;
        while (bytes <= byte)
            bytes *= 2;
        uint8_t *grown = realloc(s->seen, bytes);
        if (!grown)
            die("memory");
        memset(grown + s->seen_bytes, 0, bytes - s->seen_bytes);
        s->seen = grown;
        s->seen_bytes = bytes;
    }
    uint8_t bit = (uint8_t) (1u << (id % 8));
    bool is_new = !(s->seen[byte] & bit);
    s->seen[byte] |= bit;
    return is_new;
}

/* What stands after the key in the body, up to the closing quote; 0 where it is missing. */
static size_t find_string(const char *body, size_t bytes, const char *key, const char **ret) {
    const char *start = memmem(body, bytes, key, strlen(key));
    if (!start)
        return 0;
    start += strlen(key);
    const char *end = start;
    while (end < body + bytes && *end != '"')
        end += *end == '\\' ? 2 : 1;
    if (end > body + bytes)
        end = body + bytes;
    *ret = start;
    return (size_t) (end - start);
}

static void record_message(struct sink *s, const char *body, size_t bytes) {
    if (s->record_count == s->records_allocated && s->records_allocated < RECORDS_MAX) {
        size_t more = s->records_allocated ? s->records_allocated * 2 : 65536;
        s->records_allocated = more < RECORDS_MAX ? more : RECORDS_MAX;
        s->records = realloc(s->records, s->records_allocated * sizeof(*s->records));
        if (!s->records)
            die("memory");
    }

    struct record r = {.usec = now_usec(CLOCK_REALTIME), .id = -1};
    const char *text = "";
    char number[64];
    size_t size = find_string(body, bytes, "\"biz_opaque_callback_data\":\"", &text);
    if (size > 0 && size < sizeof(number)) {
        memcpy(number, text, size);
        number[size] = '\0';
        if (sscanf(number, "%" SCNd64 ".%" SCNd64, &r.id, &r.attempt) < 1 || r.id < 0 || r.id >= IDS_MAX)
            r.id = -1;
    }
    s->received++;
    if (r.id < 0)
        s->unidentified++;
    else if (see(s, r.id))
        s->distinct++;
    else
        s->duplicates++;

    if (s->record_count == s->records_allocated)
        return; /* full: counted, not kept */
    size = find_string(body, bytes, "\"body\":\"", &text);
    r.body_bytes = (uint8_t) (size < BODY_BYTES_MAX ? size : BODY_BYTES_MAX);
    r.body = keep_text(s, text, r.body_bytes);
    s->records[s->record_count++] = r;
}

static void connection_close(struct sink *s, struct connection *c) {
    close(c->fd);
    c->fd = -1;
    c->generation++;
    c->input_bytes = 0;
    s->open--;
}

/* Writes all; waits where the peer is slow, which only /dump can make it. False where the peer is gone. */
static bool send_all(int fd, const char *data, size_t bytes) {
    while (bytes > 0) {
        ssize_t n = send(fd, data, bytes, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            int flags = fcntl(fd, F_GETFL);
            fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
            bool is_sent = send_all(fd, data, bytes);
            fcntl(fd, F_SETFL, flags);
            return is_sent;
        }
        if (n < 0)
            return false;
        data += n;
        bytes -= (size_t) n;
    }
    return true;
}

static bool answer(int fd, const char *status, const char *body, size_t bytes) {
    char head[160];
    int n = snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                     status, bytes);
    return send_all(fd, head, (size_t) n) && send_all(fd, body, bytes);
}

/* The success of the Cloud API; head and body in one packet. */
static bool answer_message(int fd, uint64_t number) {
    char body[160], text[320];
    int bytes = snprintf(body, sizeof(body),
                         "{\"messaging_product\":\"whatsapp\",\"contacts\":[{\"input\":\"+0\",\"wa_id\":\"0\"}],"
                         "\"messages\":[{\"id\":\"wamid.SINK%020" PRIu64 "\"}]}", number);
    int n = snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                     bytes, body);
    return send_all(fd, text, (size_t) n);
}

static bool answer_stats(struct sink *s, int fd) {
    char body[256];
    int n = snprintf(body, sizeof(body),
                     "{\"received\":%" PRIu64 ",\"distinct\":%" PRIu64 ",\"duplicates\":%" PRIu64
                     ",\"unidentified\":%" PRIu64 ",\"connections\":%" PRIu64 "}\n",
                     s->received, s->distinct, s->duplicates, s->unidentified, s->open);
    return answer(fd, "200 OK", body, (size_t) n);
}

static bool answer_dump(struct sink *s, int fd) {
    size_t size = 0;
    size_t bytes = s->record_count * DUMP_LINE_BYTES + 1;
    char *text = malloc(bytes);
    if (!text)
        die("memory");
    for (size_t i = 0; i < s->record_count; i++) {
        const struct record *r = &s->records[i];
        size += (size_t) snprintf(text + size, bytes - size, "%" PRId64 " %" PRId64 " %" PRId64 " %.*s\n", r->usec,
                                  r->id, r->attempt, r->body_bytes, r->body);
    }
    bool is_sent = answer(fd, "200 OK", text, size);
    free(text);
    return is_sent;
}

static void reset(struct sink *s) {
    while (s->chunks) {
        char *before;
        memcpy(&before, s->chunks, sizeof(before));
        free(s->chunks);
        s->chunks = before;
    }
    s->chunk = NULL;
    free(s->records);
    free(s->seen);
    s->records = NULL;
    s->seen = NULL;
    s->record_count = s->records_allocated = s->seen_bytes = 0;
    s->received = s->distinct = s->duplicates = s->unidentified = 0;
}

static bool answer_later(struct sink *s, const struct connection *c) {
    if (s->delayed_end - s->delayed_first == CONNECTIONS_MAX)
        return false; /* of connections closed meanwhile */
    s->delayed[s->delayed_end++ % CONNECTIONS_MAX] = (struct delayed) {
            .due_usec = now_usec(CLOCK_MONOTONIC) + s->latency_usec,
            .place = (uint32_t) (c - s->connections),
            .generation = c->generation,
            .number = s->received,
    };
    return true;
}

/* Acts on a whole request. False: the connection is of no more use. */
static bool on_request(struct sink *s, struct connection *c, const char *head, const char *body, size_t body_bytes) {
    size_t path_bytes = strcspn(head, "\r\n");
    const char *end = memmem(head, path_bytes, " HTTP/1.", 8);
    if (!end)
        return false;
    path_bytes = (size_t) (end - head);
    if (path_bytes > 14 && strncmp(head, "POST /", 6) == 0 && memcmp(end - 9, "/messages", 9) == 0) {
        record_message(s, body, body_bytes);
        return s->latency_usec > 0 ? answer_later(s, c) : answer_message(c->fd, s->received);
    }
    if (strncmp(head, "GET /stats ", 11) == 0)
        return answer_stats(s, c->fd);
    if (strncmp(head, "GET /dump ", 10) == 0)
        return answer_dump(s, c->fd);
    if (strncmp(head, "POST /reset ", 12) == 0) {
        reset(s);
        return answer(c->fd, "200 OK", "{}", 2);
    }
    return answer(c->fd, "404 Not Found", "{}", 2);
}

/* Content-Length of a head that ends in an empty line; 0 where it has none. */
static size_t content_length(const char *head, const char *end) {
    for (const char *line = head; line < end; line = strchr(line, '\n') + 1)
        if (strncasecmp(line, "content-length:", 15) == 0)
            return strtoul(line + 15, NULL, 10);
    return 0;
}

static void on_input(struct sink *s, struct connection *c) {
    ssize_t n = recv(c->fd, c->input + c->input_bytes, INPUT_BYTES - 1 - c->input_bytes, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        connection_close(s, c);
        return;
    }
    c->input_bytes += (size_t) n;
    c->input[c->input_bytes] = '\0';
    for (;;) {
        const char *head_end = memmem(c->input, c->input_bytes, "\r\n\r\n", 4);
        if (!head_end)
            break;
        const char *body = head_end + 4;
        size_t body_bytes = content_length(c->input, head_end);
        if (body_bytes > (size_t) (c->input + c->input_bytes - body))
            break;
        if (!on_request(s, c, c->input, body, body_bytes)) {
            connection_close(s, c);
            return;
        }
        size_t used = (size_t) (body - c->input) + body_bytes;
        c->input_bytes -= used;
        memmove(c->input, c->input + used, c->input_bytes + 1);
    }
    if (c->input_bytes == INPUT_BYTES - 1) /* longer than any request we know */
        connection_close(s, c);
}

static void on_connection(struct sink *s) {
    int fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct connection *c = s->connections;
    while (c < s->connections + CONNECTIONS_MAX && c->fd >= 0)
        c++;
    if (c == s->connections + CONNECTIONS_MAX) {
        close(fd);
        return;
    }
    if (!c->input && !(c->input = malloc(INPUT_BYTES)))
        die("memory");
    c->fd = fd;
    s->open++;
    (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int) {1}, sizeof(int));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl");
}

/* Answers what is due. The time until the next is due, or NULL where none waits. */
static struct timespec *answer_due(struct sink *s, struct timespec *t) {
    while (s->delayed_first < s->delayed_end) {
        const struct delayed *d = &s->delayed[s->delayed_first % CONNECTIONS_MAX];
        struct connection *c = &s->connections[d->place];
        int64_t wait_usec = d->due_usec - now_usec(CLOCK_MONOTONIC);
        if (wait_usec > 0) {
            *t = (struct timespec) {.tv_sec = wait_usec / 1000000, .tv_nsec = wait_usec % 1000000 * 1000};
            return t;
        }
        if (c->fd >= 0 && c->generation == d->generation && !answer_message(c->fd, d->number))
            connection_close(s, c);
        s->delayed_first++;
    }
    return NULL;
}

static void run(struct sink *s) {
    struct epoll_event events[EVENTS];
    for (;;) {
        struct timespec t;
        int n = epoll_pwait2(s->epoll_fd, events, EVENTS, answer_due(s, &t), NULL);
        if (n < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (!c)
                on_connection(s);
            else if (c->fd >= 0)
                on_input(s, c);
        }
    }
}

static void sink_listen(struct sink *s, uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    s->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (s->listen_fd < 0 || s->epoll_fd < 0
        || setsockopt(s->listen_fd, SOL_SOCKET, SO_REUSEADDR, &(int) {1}, sizeof(int)) < 0
        || bind(s->listen_fd, (struct sockaddr *) &address, size) < 0 || listen(s->listen_fd, CONNECTIONS_MAX) < 0
        || getsockname(s->listen_fd, (struct sockaddr *) &address, &size) < 0
        || epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->listen_fd, &event) < 0)
        die("listen");
    printf("%u\n", ntohs(address.sin_port));
    fflush(stdout);
}

int main(int argc, char **argv) {
    static const struct option options[] = {{"port", required_argument, NULL, 'p'},
                                            {"latency-ms", required_argument, NULL, 'l'},
                                            {NULL, 0, NULL, 0}};
    struct sink *s = calloc(1, sizeof(*s));
    if (!s)
        die("memory");
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        s->connections[i].fd = -1;

    long port = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'p')
            port = strtol(optarg, NULL, 10);
        else if (c == 'l')
            s->latency_usec = strtol(optarg, NULL, 10) * 1000;
        else
            port = -1;
    }
    if (port < 0 || port > 65535 || s->latency_usec < 0 || optind < argc) {
        fprintf(stderr, "usage: sink [--port N] [--latency-ms N]\n");
        return 2;
    }
    sink_listen(s, (uint16_t) port);
    run(s);
}
