#include "io/exchange.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/text.h"
#include "io/url.h"

enum {
    BODY_KEPT_BYTES_MAX = 16 * 1024,
    ADDED_HEADERS_BYTES_MAX = 200, /* what the transport adds to a request, apart from method, path and host */
};

static const char no_expect[] = "Expect:"; /* no round of "100 Continue" before a body */

void exchange_init(struct exchange *e) {
    *e = (struct exchange) {.url = BUF_MAX(REQUEST_URL_BYTES_MAX), .body = BUF_MAX(REQUEST_BODY_BYTES_MAX)};
    answer_init(&e->answer);
    mail_init(&e->mail);
}

static void envelope_clear(struct envelope *envelope) {
    buf_done(&envelope->from);
    buf_done(&envelope->to);
    buf_done(&envelope->user);
    buf_wipe(&envelope->password);
}

void exchange_clear(struct exchange *e) {
    if (e->headers)
        explicit_bzero(e->headers, e->headers_bytes);
    free(TAKE_PTR(e->headers));
    e->headers_bytes = e->header_count = 0;
    if (e->body.allocated > BODY_KEPT_BYTES_MAX)
        buf_done(&e->body);
    else
        buf_clear(&e->body);
    buf_clear(&e->url);
    answer_clear(&e->answer);
    if (e->is_mail) {
        envelope_clear(&e->envelope);
        mail_clear(&e->mail);
    }
    e->is_mail = false;
    e->refusal = NULL;
    e->sink = NULL;
}

void exchange_done(struct exchange *e) {
    exchange_clear(e);
    buf_done(&e->url);
    buf_done(&e->body);
    answer_done(&e->answer);
    mail_done(&e->mail);
}

static int check_method(const char *method) {
    for (const char *c = method; *c != '\0'; c++)
        if (*c < 'A' || *c > 'Z')
            return -EINVAL;
    /* Those two end otherwise than all others, and no gateway wants them. */
    if (*method == '\0' || strcmp(method, "HEAD") == 0 || strcmp(method, "CONNECT") == 0)
        return -EINVAL;
    return 0;
}

static int check(const struct request *request, uint64_t time_limit_usec) {
    bool is_mail = url_is_mail(buf_string(&request->url));
    const char *fault;
    int r;

    r = is_mail ? url_check_mail(buf_string(&request->url), &fault) : url_check(buf_string(&request->url), &fault);
    if (r < 0)
        return r;
    r = is_mail ? mail_check(request) : check_method(request->method);
    if (r < 0)
        return r;
    if (request->header_count > REQUEST_HEADERS_MAX || time_limit_usec == 0 ||
        time_limit_usec > EXCHANGE_TIME_LIMIT_MAX_USEC)
        return -EINVAL;
    for (size_t i = 0; i < request->header_count; i++)
        if (!text_is_header_safe(buf_string(&request->headers[i])))
            return -EINVAL;
    return 0;
}

static int copy_headers(struct exchange *e, const struct request *request) {
    size_t bytes = sizeof(no_expect), count = request->header_count;
    char *to;

    for (size_t i = 0; i < count; i++)
        bytes += strlen(buf_string(&request->headers[i])) + 1;
    to = malloc(bytes);
    if (!to)
        return -ENOMEM;
    e->headers = to;
    e->headers_bytes = bytes;
    e->header_count = count + 1;
    for (size_t i = 0; i < count; i++)
        to = stpcpy(to, buf_string(&request->headers[i])) + 1;
    memcpy(to, no_expect, sizeof(no_expect));
    return 0;
}

static int copy_text(struct buf *to, const struct buf *from) {
    *to = BUF_MAX(from->size);
    return from->size > 0 ? buf_append(to, buf_string(from), from->size) : 0;
}

static int copy_envelope(struct exchange *e, const struct envelope *from) {
    int r = copy_text(&e->envelope.from, &from->from);

    if (r >= 0)
        r = copy_text(&e->envelope.to, &from->to);
    if (r >= 0)
        r = copy_text(&e->envelope.user, &from->user);
    if (r >= 0)
        r = copy_text(&e->envelope.password, &from->password);
    e->envelope.needs_tls = from->needs_tls;
    return r;
}

int exchange_begin(struct exchange *e, const struct request *request, uint64_t time_limit_usec) {
    int r;

    exchange_clear(e);
    r = check(request, time_limit_usec);
    if (r < 0)
        return r;
    r = buf_append_string(&e->url, buf_string(&request->url));
    if (r >= 0)
        r = buf_append(&e->body, buf_string(&request->body), request->body.size);
    if (r >= 0)
        r = copy_headers(e, request);
    e->is_mail = url_is_mail(buf_string(&e->url));
    if (r >= 0 && e->is_mail)
        r = copy_envelope(e, &request->envelope);
    if (r < 0) {
        exchange_clear(e);
        return r;
    }
    e->method = request->method;
    e->time_limit_usec = time_limit_usec;
    /* A mail over a connection that has to be secured first is not sent where that fails: see mail_security(). */
    e->with_tls = e->is_mail || strncasecmp(buf_string(&e->url), "https://", 8) == 0;
    return 0;
}

int exchange_add_body(struct exchange *e, int status, const char *bytes, size_t size) {
    return e->sink && status / 100 == 2 ? e->sink(bytes, size, e->sink_userdata) : answer_add_body(&e->answer, bytes, size);
}

/* Whether more left than one sending can be. */
static bool was_sent_twice(const struct exchange *e, size_t bytes_sent) {
    return bytes_sent > strlen(e->method) + e->url.size + e->headers_bytes + e->header_count + e->body.size +
                                ADDED_HEADERS_BYTES_MAX;
}

static double limit_sec(const struct exchange *e) {
    return (double) e->time_limit_usec / (double) USEC_PER_SEC;
}

static void explain_unsent(const struct exchange *e, const struct exchange_result *result, struct buf *out) {
    if (e->refusal)
        (void) buf_printf(out, "%s is not allowed: %s", e->refused_address, e->refusal);
    else if (result->end == EXCHANGE_UNRESOLVED)
        (void) buf_append_string(out, "the name cannot be resolved");
    else if (result->end == EXCHANGE_EXPIRED)
        (void) buf_printf(out, "nothing could be sent within %g s", limit_sec(e));
    else if (result->end == EXCHANGE_TALK)
        (void) buf_append_string(out, result->detail);
    else
        (void) buf_printf(out, "cannot connect: %s", result->detail);
}

static void explain_unknown(const struct exchange *e, const struct exchange_result *result, struct buf *out) {
    if (was_sent_twice(e, result->bytes_sent))
        (void) buf_append_string(out, "the request was sent more than once");
    else if (e->answer.is_too_long)
        (void) buf_append_string(out, "the answer was too long");
    else if (result->end == EXCHANGE_EXPIRED)
        (void) buf_printf(out, "the request was sent, but no whole answer came within %g s", limit_sec(e));
    else if (result->end == EXCHANGE_WHOLE && result->status < 200)
        (void) buf_append_string(out, "the request was sent, but the answer had no final status");
    else if (result->end == EXCHANGE_SILENT)
        (void) buf_append_string(out, "the connection ended after the request was sent, without an answer");
    else if (result->end == EXCHANGE_BROKE_OFF || result->end == EXCHANGE_WHOLE)
        (void) buf_append_string(out, "the answer broke off");
    else
        (void) buf_printf(out, "after the request was sent: %s", result->detail);
}

/* The host and port, which were checked, and then why. */
static void explain(const struct exchange *e, const struct exchange_result *result, struct reply *ret) {
    _cleanup_(buf_done) struct buf reason = BUF_MAX(2 * REQUEST_URL_BYTES_MAX), printable = BUF_MAX(sizeof(ret->reason) - 1);
    const char *authority = strstr(buf_string(&e->url), "//") + 2;

    (void) buf_printf(&reason, "%.*s: ", (int) strcspn(authority, "/?"), authority);
    if (ret->kind == REPLY_UNSENT)
        explain_unsent(e, result, &reason);
    else
        explain_unknown(e, result, &reason);
    (void) text_append_printable(&printable, buf_string(&reason), sizeof(ret->reason) - 1);
    (void) snprintf(ret->reason, sizeof(ret->reason), "%s", buf_string(&printable));
}

static void describe_mail(const struct exchange *e, const struct exchange_result *result, struct reply *ret) {
    const struct mail *m = &e->mail;
    bool has_answer = mail_has_answer(m) && result->end != EXCHANGE_EXPIRED;
    struct exchange_result mine = *result;

    *ret = (struct reply) {.body = buf_string(&m->text), .body_size = m->text.size, .retry_after_sec = -1};
    if (has_answer) {
        ret->stage = m->stage;
        ret->status = m->code;
        return;
    }
    ret->kind = m->stage == MAIL_END ? REPLY_UNKNOWN : REPLY_UNSENT;
    mine.bytes_sent = m->stage == MAIL_END;
    if (m->fault)
        mine.detail = m->fault;
    explain(e, &mine, ret);
}

void exchange_describe(const struct exchange *e, const struct exchange_result *result, struct reply *ret) {
    if (e->is_mail) {
        describe_mail(e, result, ret);
        return;
    }
    *ret = (struct reply) {
        .status = result->status < 200 ? 0 : result->status, /* an interim answer is none */
        .body = buf_string(&e->answer.body),
        .body_size = e->answer.body.size,
        .retry_after_sec = e->answer.retry_after_sec,
    };
    /* libcurl takes an answer that is cut within its headers for a whole one. */
    if (result->end == EXCHANGE_WHOLE && ret->status != 0 && e->answer.has_all_headers && !was_sent_twice(e, result->bytes_sent))
        ret->kind = REPLY_COMPLETE;
    else if (result->end != EXCHANGE_WHOLE && result->bytes_sent == 0)
        ret->kind = REPLY_UNSENT;
    else
        ret->kind = REPLY_UNKNOWN;
    if (ret->kind != REPLY_COMPLETE)
        explain(e, result, ret);
}
