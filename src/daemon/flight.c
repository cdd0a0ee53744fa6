#include "daemon/flight.h"

#include <errno.h>
#include <string.h>

#include "gateway/scrub.h"

struct flight *flight_free(struct flight *f) {
    if (!f)
        return NULL;
    account_unref(f->account);
    json_free(f->document);
    free(f->reply);
    free(f->texts);
    free(f);
    return NULL;
}

int flight_new(int64_t id, int64_t attempt_id, const char *target, bool is_group, const char *body, const char *detail_json,
               struct account *account, struct flight **ret) {
    size_t target_bytes = strlen(target) + 1, body_bytes = strlen(body) + 1;
    _cleanup_(flight_freep) struct flight *f = calloc(1, sizeof(*f));
    const struct json_value *detail, *media;
    const char *why;
    int r;

    if (!f) {
        account_unref(account);
        return -ENOMEM;
    }
    f->account = account;
    f->texts = malloc(target_bytes + body_bytes);
    if (!f->texts)
        return -ENOMEM;
    memcpy(f->texts, target, target_bytes);
    memcpy(f->texts + target_bytes, body, body_bytes);
    if (detail_json) {
        r = json_parse(detail_json, strlen(detail_json), &f->document, &why);
        if (r == -ENOMEM)
            return r;
        if (r < 0)
            f->fault = why;
    }
    detail = f->document ? json_root(f->document) : NULL;
    media = json_at(detail, "media");
    f->message = (struct message) {.id = id,
                                   .attempt_id = attempt_id,
                                   .target = f->texts,
                                   .is_group = is_group,
                                   .body = f->texts + target_bytes,
                                   .template = media ? NULL : detail,
                                   .media = media};
    *ret = TAKE_PTR(f);
    return 0;
}

void flight_keep_reply(struct flight *f, const struct reply *reply) {
    _cleanup_(buf_done) struct buf text = BUF_MAX(FLIGHT_REPLY_BYTES_MAX);

    if (reply->status == 0 || !reply->body)
        return;
    if (scrub_kept(&text, reply->body, reply->body_size, f->account ? &f->account->sender : NULL) < 0)
        return;
    f->reply = buf_take(&text);
}
