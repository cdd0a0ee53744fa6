#include "cli/account.h"

#include <errno.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "base/clock.h"
#include "gateway/groups.h"
#include "io/http.h"

enum { PAGES_MAX = 64, GROUPS_MAX = 32768 };

#define PAGE_TIME_LIMIT_USEC (60 * USEC_PER_SEC) /* a browser behind the gateway may have to think */

int account_open(const struct config *config, const struct pg_result *rows, size_t row, struct account *ret, struct buf *reterr) {
    const char *gateway = pg_text(rows, row, ACCOUNT_GATEWAY), *credential = pg_text(rows, row, ACCOUNT_CREDENTIAL), *fault;

    *ret = (struct account) {.gateway = gateway_find(gateway)};
    if (!ret->gateway) {
        (void) buf_printf(reterr, "there is no gateway \"%s\"; there are %s", gateway, gateway_names());
        return -EINVAL;
    }
    if (json_parse(pg_text(rows, row, ACCOUNT_ACCOUNT), pg_text_bytes(rows, row, ACCOUNT_ACCOUNT), &ret->document, &fault) < 0) {
        (void) buf_printf(reterr, "account: %s", fault);
        return -EINVAL;
    }
    ret->sender = (struct sender) {
        .name = pg_text(rows, row, ACCOUNT_NAME),
        .base_url = pg_text(rows, row, ACCOUNT_BASE_URL),
        .account = json_root(ret->document),
    };
    if (!credential || secret_load(credential, config->credentials_dir, &ret->secret, reterr) >= 0) {
        ret->sender.secret = ret->secret ? secret_reveal(ret->secret) : NULL;
        if (ret->gateway->check(&ret->sender, reterr) >= 0)
            return 0;
    }
    account_close(ret);
    return -EINVAL;
}

void account_close(struct account *a) {
    json_free(TAKE_PTR(a->document));
    secret_free(TAKE_PTR(a->secret));
}

/* ---- Its groups ---- */

struct lookup {
    const struct account *account;
    sd_event *event;
    struct http *http;
    struct groups_reader *reader; /* of this page */
    unsigned pages;
    size_t groups;
    struct buf *ids, *names, *reason;
    int fault; /* of the reader */
};

static void end(struct lookup *l, int result) {
    (void) sd_event_exit(l->event, result);
}

static int on_group(const struct group *group, void *userdata) {
    struct lookup *l = userdata;

    if (++l->groups > GROUPS_MAX)
        return -E2BIG;
    pg_array_add(l->ids, group->id);
    pg_array_add(l->names, group->name);
    return buf_error(l->ids) < 0 ? buf_error(l->ids) : buf_error(l->names);
}

static int on_body(const char *bytes, size_t size, void *userdata) {
    struct lookup *l = userdata;

    l->fault = groups_reader_feed(l->reader, bytes, size);
    return l->fault;
}

static void explain_fault(struct lookup *l, int fault) {
    if (fault == -E2BIG)
        (void) buf_printf(l->reason, "it is in more than %d groups", GROUPS_MAX);
    else if (fault == -EBADMSG)
        (void) buf_append_string(l->reason, "the gateway's answer is no list of groups; check base_url and the gateway's version");
    else
        (void) buf_append_string(l->reason, "no memory");
}

static void ask_for_page(struct lookup *l, const char *after);

static void end_page(struct lookup *l) {
    _cleanup_(buf_done) struct buf after = BUF_MAX(4096);
    const char *next = NULL;

    l->fault = groups_reader_finish(l->reader, &next);
    if (l->fault >= 0 && next && ++l->pages < PAGES_MAX)
        l->fault = buf_append_string(&after, next);
    l->reader = groups_reader_free(l->reader);
    if (l->fault < 0) {
        explain_fault(l, l->fault);
        end(l, -EIO);
    } else if (after.size > 0)
        ask_for_page(l, buf_string(&after));
    else
        end(l, 0);
}

static void on_reply(const struct reply *reply, void *userdata) {
    struct lookup *l = userdata;
    struct outcome outcome;

    if (l->fault < 0) {
        explain_fault(l, l->fault);
        end(l, -EIO);
    } else if (reply->kind == REPLY_COMPLETE && reply->status / 100 == 2)
        end_page(l);
    else {
        bool is_answer = reply->kind == REPLY_COMPLETE;

        if (is_answer)
            l->account->gateway->understand(&l->account->sender, NULL, reply, &outcome);
        (void) buf_append_string(l->reason, is_answer ? outcome.reason : reply->reason);
        end(l, is_answer ? -EIO : -ENOTCONN);
    }
}

static void ask_for_page(struct lookup *l, const char *after) {
    _cleanup_(request_done) struct request request;
    int r;

    request_init(&request);
    r = l->account->gateway->ask_groups(&l->account->sender, after, &request);
    l->reader = groups_reader_new(l->account->gateway->groups, on_group, l);
    if (r >= 0 && !l->reader)
        r = -ENOMEM;
    if (r >= 0)
        r = http_start_streamed(l->http, &request, PAGE_TIME_LIMIT_USEC, on_body, on_reply, l);
    if (r < 0) {
        (void) buf_append_string(l->reason, r == -ENOMEM ? "no memory" : "base_url or the credential is not fit for a request");
        end(l, -EIO);
    }
}

int account_groups(const struct account *a, struct buf *ret_ids, struct buf *ret_names, struct buf *reterr) {
    struct lookup l = {.account = a, .ids = ret_ids, .names = ret_names, .reason = reterr};
    int r;

    if (!a->gateway->groups)
        return -ENOTSUP;
    pg_array_begin(ret_ids);
    pg_array_begin(ret_names);
    r = sd_event_new(&l.event);
    if (r >= 0)
        r = http_new(l.event, 1, &l.http);
    if (r >= 0) {
        ask_for_page(&l, "");
        r = sd_event_loop(l.event);
    }
    groups_reader_free(l.reader);
    http_free(l.http);
    sd_event_unref(l.event);
    pg_array_end(ret_ids);
    pg_array_end(ret_names);
    if (r >= 0 && (buf_error(ret_ids) < 0 || buf_error(ret_names) < 0))
        r = -ENOMEM;
    return r;
}
