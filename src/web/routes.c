#include "web/routes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gateway/twilio_callback.h"
#include "web/figures.h"
#include "web/notice.h"
#include "web/receipt.h"

#define PLAIN "text/plain; charset=utf-8"
#define FIGURES "text/plain; version=0.0.4; charset=utf-8"
#define CLOUD_SIGNATURE "X-Hub-Signature-256"
#define TWILIO_SIGNATURE "X-Twilio-Signature"
#define WAHA_SIGNATURE "X-Webhook-Hmac"

enum {
    CHALLENGE_BYTES_MAX = 256,
    SPOKEN_BYTES = 128 + 1 + RECEIPT_ACCOUNT_BYTES + 1, /* the name of a secret, a space, an account */
    FORM_BYTES_MAX = 64 * 1024, /* of one receipt */
    OK = 200,
    BAD_REQUEST = 400,
    UNAUTHORIZED = 401,
    FORBIDDEN = 403,
    NOT_FOUND = 404,
    NO_SUCH_METHOD = 405,
    FAULT = 500,
    BUSY = 503,
};

/* A request that waits for the database. */
struct job {
    struct routes *routes;
    struct server_request *request;
    struct batch_waiter waiter;
    struct watcher_request asking;
};

static void answer(struct server_request *request, unsigned status, const char *text) {
    server_answer(request, status, PLAIN, text);
}

static struct job *job_new(struct routes *r, struct server_request *request) {
    struct job *job = calloc(1, sizeof(*job));

    if (job)
        *job = (struct job) {.routes = r, .request = request};
    return job;
}

bool routes_are_ready(const struct routes *r) {
    return !r->is_stopping && intake_is_connected(r->intake) && watcher_senders(r->watcher);
}

/* ---- Webhooks ---- */

struct reading {
    const struct senders *senders;
    struct batch *batch;
    int key; /* whose secret the request knew */
    size_t found;
};

/* The account as the database knows it (herald.spoken_account()): behind the name of the secret. false: it is none of those that
 * the secret is for. */
static bool speak_for(const struct reading *reading, const char *gateway, const char *account, char ret[static SPOKEN_BYTES]) {
    int size = snprintf(ret, SPOKEN_BYTES, "%s %s", senders_secret_name(reading->senders, reading->key), account);

    return size > 0 && size < SPOKEN_BYTES && senders_have_account(reading->senders, reading->key, gateway, account);
}

static int on_receipt(const struct receipt *receipt, void *userdata) {
    struct reading *reading = userdata;
    struct receipt mine = *receipt;
    char spoken[SPOKEN_BYTES];

    /* Of another account: it is counted, and finds nothing. */
    mine.account = speak_for(reading, receipt->gateway, receipt->account, spoken) ? spoken : "";
    batch_add(reading->batch, &mine);
    reading->found++;
    return 0;
}

/* Of a stranger's account nobody is heard. What is of no single account is said by whoever has the secret. */
static int on_notice(const struct notice *notice, void *userdata) {
    struct reading *reading = userdata;
    struct notice mine = *notice;
    char spoken[SPOKEN_BYTES];

    if (notice->account && !speak_for(reading, notice->gateway, notice->account, spoken))
        return 0;
    mine.account = notice->account ? spoken : senders_secret_name(reading->senders, reading->key);
    batch_add_notice(reading->batch, &mine);
    reading->found++;
    return 0;
}

static int read_cloud(const struct json_value *root, struct reading *reading) {
    int r = receipt_read_cloud(root, on_receipt, reading);

    return r < 0 ? r : notice_read_cloud(root, on_notice, reading);
}

static int read_evolution(const struct json_value *root, struct reading *reading) {
    int r = receipt_read_evolution(root, on_receipt, reading);

    return r < 0 ? r : notice_read_evolution(root, on_notice, reading);
}

static int read_waha(const struct json_value *root, struct reading *reading) {
    int r = receipt_read_waha(root, on_receipt, reading);

    return r < 0 ? r : notice_read_waha(root, on_notice, reading);
}

static int read_webjs(const struct json_value *root, struct reading *reading) {
    int r = receipt_read_webjs(root, on_receipt, reading);

    return r < 0 ? r : notice_read_webjs(root, on_notice, reading);
}

static int read_wppconnect(const struct json_value *root, struct reading *reading) {
    int r = receipt_read_wppconnect(root, on_receipt, reading);

    return r < 0 ? r : notice_read_wppconnect(root, on_notice, reading);
}

static void on_recorded(int result, void *userdata) {
    struct job *job = userdata;

    answer(job->request, result == 0 ? OK : BUSY, result == 0 ? "ok\n" : "not recorded, come again\n");
    free(job);
}

/* False: the request was answered, as nothing can be recorded now. */
static bool begin_reading(struct routes *r, struct server_request *request, int key, struct reading *ret) {
    *ret = (struct reading) {.senders = watcher_senders(r->watcher), .batch = intake_open(r->intake), .key = key};
    if (ret->batch && !r->is_stopping)
        return true;
    answer(request, BUSY, "the database is away or busy, come again\n");
    return false;
}

static void end_reading(struct routes *r, struct server_request *request, const struct reading *reading, int result) {
    struct job *job;

    if (result < 0 || reading->found == 0) {
        answer(request, result == -EBADMSG ? BAD_REQUEST : result < 0 ? FAULT : OK,
               result == -EBADMSG ? "not a webhook of this gateway\n" : result < 0 ? "no memory\n" : "ok\n");
        return;
    }
    job = job_new(r, request);
    if (!job) {
        answer(request, FAULT, "no memory\n"); /* what it says is recorded with the next ones' */
        return;
    }
    job->waiter = (struct batch_waiter) {.done = on_recorded, .userdata = job};
    intake_wait(r->intake, &job->waiter);
}

typedef int (*read_fn)(const struct json_value *root, struct reading *reading);
typedef int (*find_fn)(const struct senders *s, const char *signature, const char *body, size_t size);

static void take_json(struct routes *r, struct server_request *request, int key, read_fn read_webhook) {
    _cleanup_(json_freep) struct json *document = NULL;
    const struct buf *body = server_body(request);
    struct reading reading;
    const char *reason;
    int result;

    if (!begin_reading(r, request, key, &reading))
        return;
    result = json_parse(buf_string(body), body->size, &document, &reason);
    if (result >= 0)
        result = read_webhook(json_root(document), &reading);
    end_reading(r, request, &reading, result);
}

static void take_form(struct routes *r, struct server_request *request, int key, const struct form *form) {
    struct reading reading;

    if (begin_reading(r, request, key, &reading))
        end_reading(r, request, &reading,
                    receipt_read_twilio(form, server_argument(request, TWILIO_ECHO), on_receipt, &reading));
}

static void refuse_forged(struct routes *r, struct server_request *request, int found) {
    if (found != -ENOENT) {
        answer(request, FAULT, "the signature could not be checked\n");
        return;
    }
    r->on_forged(r->userdata);
    answer(request, UNAUTHORIZED, "the signature is wrong\n");
}

static void post_signed(struct routes *r, struct server_request *request, const char *header, find_fn find, read_fn read_webhook) {
    const struct buf *body = server_body(request);
    int key = find(watcher_senders(r->watcher), server_header(request, header), buf_string(body), body->size);

    if (key >= 0)
        take_json(r, request, key, read_webhook);
    else
        refuse_forged(r, request, key);
}

/* Who it is from can only be told of the form's fields, which are in no order; what they mean is not looked at before. */
static void post_twilio(struct routes *r, struct server_request *request) {
    _cleanup_(form_freep) struct form *form = NULL;
    const struct buf *body = server_body(request);
    int result = body->size > FORM_BYTES_MAX ? -EBADMSG : form_parse(buf_string(body), body->size, &form), key;

    if (result < 0) {
        answer(request, result == -EBADMSG ? BAD_REQUEST : FAULT, result == -EBADMSG ? "not a form\n" : "no memory\n");
        return;
    }
    key = senders_find_twilio(watcher_senders(r->watcher), server_header(request, TWILIO_SIGNATURE), form,
                              server_argument(request, TWILIO_ECHO));
    if (key >= 0)
        take_form(r, request, key, form);
    else
        refuse_forged(r, request, key);
}

static void post_cloud(struct routes *r, struct server_request *request) {
    post_signed(r, request, CLOUD_SIGNATURE, senders_find_app, read_cloud);
}

static void post_waha(struct routes *r, struct server_request *request) {
    post_signed(r, request, WAHA_SIGNATURE, senders_find_waha, read_waha);
}

/* The group of senders whose secret follows the first part of the path, or -ENOENT. */
static int find_by_path(const struct routes *r, const struct server_request *request) {
    return senders_find_webhook(watcher_senders(r->watcher), strchr(server_path(request) + 1, '/') + 1);
}

static void post_with_secret(struct routes *r, struct server_request *request, read_fn read_webhook) {
    int key = find_by_path(r, request);

    if (key < 0)
        answer(request, NOT_FOUND, "there is no such page\n"); /* the secret was changed meanwhile */
    else
        take_json(r, request, key, read_webhook);
}

static void post_evolution(struct routes *r, struct server_request *request) {
    post_with_secret(r, request, read_evolution);
}

static void post_webjs(struct routes *r, struct server_request *request) {
    post_with_secret(r, request, read_webjs);
}

static void post_wppconnect(struct routes *r, struct server_request *request) {
    post_with_secret(r, request, read_wppconnect);
}

/* The handshake: whoever registers the webhook proves that he knows the token, and we that we are here. */
static void get_cloud(struct routes *r, struct server_request *request) {
    const char *mode = server_argument(request, "hub.mode"), *token = server_argument(request, "hub.verify_token");
    const char *challenge = server_argument(request, "hub.challenge");

    if (!mode || strcmp(mode, "subscribe") != 0 || !token || !challenge || !*challenge || strlen(challenge) > CHALLENGE_BYTES_MAX ||
        challenge[strspn(challenge, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.=")] != '\0') {
        answer(request, BAD_REQUEST, "not a handshake\n");
    } else if (!senders_know_verify_token(watcher_senders(r->watcher), token)) {
        r->on_forged(r->userdata);
        answer(request, FORBIDDEN, "the token is wrong\n");
    } else {
        answer(request, OK, challenge);
    }
}

/* ---- Health and figures ---- */

static void get_health(_unused_ struct routes *r, struct server_request *request) {
    answer(request, OK, "ok\n");
}

static void get_readiness(struct routes *r, struct server_request *request) {
    if (routes_are_ready(r))
        answer(request, OK, "ok\n");
    else
        answer(request, BUSY, r->is_stopping ? "stopping\n" : "the database is away\n");
}

static void on_figures(const char *figures, void *userdata) {
    struct job *job = userdata;
    _cleanup_(buf_done) struct buf out = BUF_MAX(1024 * 1024);
    struct server_count counts[SERVER_COUNTS_MAX];
    size_t n = server_counts(job->routes->server, counts);

    (void) figures_write_head("web_up", "gauge", "Whether the database answers", &out);
    (void) buf_printf(&out, "pgherald_web_up %d\n", figures != NULL);
    if (figures)
        (void) buf_append_string(&out, figures);
    (void) figures_write_head("web_answers_total", "counter", "Requests answered by this process, by HTTP status", &out);
    for (size_t i = 0; i < n; i++)
        (void) buf_printf(&out, "pgherald_web_answers_total{status=\"%u\"} %" PRIu64 "\n", counts[i].status, counts[i].n);
    if (buf_error(&out) < 0)
        answer(job->request, FAULT, "no memory\n");
    else
        server_answer(job->request, OK, FIGURES, buf_string(&out));
    free(job);
}

static void get_metrics(struct routes *r, struct server_request *request) {
    struct job *job = job_new(r, request);

    if (!job) {
        answer(request, FAULT, "no memory\n");
        return;
    }
    job->asking = (struct watcher_request) {.done = on_figures, .userdata = job};
    watcher_ask_figures(r->watcher, &job->asking);
}

/* ---- Which page ---- */

static const struct page {
    const char *path; /* where it ends in '/', a secret follows */
    const char *method;
    void (*serve)(struct routes *r, struct server_request *request);
    bool needs_senders;
    const char *signature; /* a header without which it is refused, or NULL */
} pages[] = {
    {"/cloud", "POST", post_cloud, true, CLOUD_SIGNATURE},
    {"/cloud", "GET", get_cloud, true, NULL},
    {"/evolution/", "POST", post_evolution, true, NULL},
    {"/twilio", "POST", post_twilio, true, TWILIO_SIGNATURE},
    {"/waha", "POST", post_waha, true, WAHA_SIGNATURE},
    {"/webjs/", "POST", post_webjs, true, NULL},
    {"/wppconnect/", "POST", post_wppconnect, true, NULL},
    {"/healthz", "GET", get_health, false, NULL},
    {"/readyz", "GET", get_readiness, false, NULL},
    {"/metrics", "GET", get_metrics, false, NULL},
};

static bool has_secret(const struct page *p) {
    return p->path[strlen(p->path) - 1] == '/';
}

/* NULL, and *ret_status says why. */
static const struct page *find_page(const struct server_request *request, unsigned *ret_status) {
    const char *path = server_path(request);

    *ret_status = NOT_FOUND;
    for (size_t i = 0; i < ELEMENTSOF(pages); i++) {
        const struct page *p = &pages[i];

        if (has_secret(p) ? strncmp(path, p->path, strlen(p->path)) != 0 : strcmp(path, p->path) != 0)
            continue;
        if (strcmp(server_method(request), p->method) == 0)
            return p;
        *ret_status = NO_SUCH_METHOD;
    }
    return NULL;
}

/* What can be refused without its body is: nobody makes us read what comes to nothing. */
static unsigned on_head(struct server_request *request, void *userdata) {
    struct routes *r = userdata;
    unsigned status;
    const struct page *p = find_page(request, &status);

    if (!p)
        return status;
    if (!p->needs_senders)
        return 0;
    if (!watcher_senders(r->watcher))
        return BUSY;
    if (p->signature && !server_header(request, p->signature)) {
        r->on_forged(r->userdata);
        return UNAUTHORIZED;
    }
    if (has_secret(p) && find_by_path(r, request) < 0)
        return NOT_FOUND;
    return 0;
}

static void on_request(struct server_request *request, void *userdata) {
    unsigned status;
    const struct page *p = find_page(request, &status);

    p->serve(userdata, request);
}

const struct server_handler routes_handler = {.on_head = on_head, .on_request = on_request};
