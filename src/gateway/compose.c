#include "gateway/compose.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "gateway/target.h"
#include "io/url.h"

enum { INCOMPLETE_WAIT_SEC = 60 };

int compose_check_base_url(const struct sender *sender, const char *remedy, struct buf *reterr) {
    const char *fault = NULL;

    if (url_check(sender->base_url, &fault) == 0 && !strchr(sender->base_url, '?'))
        return 0;
    (void) buf_printf(reterr, "base_url: the URL %s. %s", fault ? fault : "has a query (?), but a path must follow it", remedy);
    return -EINVAL;
}

int compose_check_credential(const struct sender *sender, const char *noun, const char *remedy, struct buf *reterr) {
    if (!sender->secret || !*sender->secret)
        (void) buf_printf(reterr, "credential: no %s. %s", noun, remedy);
    else if (!text_is_header_safe(sender->secret))
        (void) buf_printf(reterr, "credential: the %s holds a control character. %s", noun, remedy);
    else
        return 0;
    return -EINVAL;
}

int compose_check_text(const struct message *m, const char *taker, size_t length_max, struct outcome *ret) {
    size_t length;

    if (text_is_blank(m->body) && m->template) {
        outcome_set(ret, OUTCOME_REJECTED, SCOPE_MESSAGE, 0, 0, "%s knows no templates of its own; give the template a body",
                    taker);
        return 0;
    }
    if (text_is_blank(m->body))
        return compose_reject("the message is empty", ret);
    length = text_length(m->body);
    if (length <= length_max)
        return 1;
    outcome_set(ret, OUTCOME_REJECTED, SCOPE_MESSAGE, 0, 0,
                "the message has %zu characters, and %s takes %zu; shorten it or make it two", length, taker, length_max);
    return 0;
}

int compose_add_credential(struct request *request, const char *name, const char *prefix, const struct sender *sender) {
    _cleanup_(buf_wipe) struct buf value = BUF_MAX(REQUEST_HEADER_BYTES_MAX);
    int r = buf_printf(&value, "%s%s", prefix, sender->secret);

    return r < 0 ? r : request_add_header(request, name, buf_string(&value));
}

int compose_incomplete(const struct buf *fault, struct outcome *ret) {
    outcome_set(ret, OUTCOME_WAIT, SCOPE_SENDER, INCOMPLETE_WAIT_SEC, 0, "%s", buf_string(fault));
    return 0;
}

int compose_reject(const char *reason, struct outcome *ret) {
    outcome_set(ret, OUTCOME_REJECTED, SCOPE_MESSAGE, 0, 0, "%s", reason);
    return 0;
}

int compose_head(int r, struct outcome *ret) {
    if (r >= 0)
        return 1;
    if (r == -ENOMEM)
        return r;
    outcome_set(ret, OUTCOME_WAIT, SCOPE_SENDER, INCOMPLETE_WAIT_SEC, 0,
                "base_url, a header or the credential is too long, or not fit for a request");
    return 0;
}

int compose_body(int r, struct outcome *ret) {
    return r >= 0 ? 1 : r == -EMSGSIZE ? compose_reject("the message is too large", ret) : r;
}
