/* What must hold of every request that a gateway makes. */
#pragma once

#include "fuzz.h"

#include "gateway/gateway.h"
#include "gateway/target.h"
#include "io/url.h"

#define SECRET "EAAGm0PX4ZCpsBAtoken"

static inline void check_header(const struct buf *line) {
    HOLDS(text_is_header_safe(buf_string(line)) && strlen(buf_string(line)) == line->size);
    HOLDS(strstr(buf_string(line), ": ") > buf_string(line));
}

/* The secret goes nowhere but into headers and the envelope. */
static inline void check_request(const struct request *r) {
    const char *fault;

    HOLDS(!strstr(buf_string(&r->url), SECRET));
    HOLDS(strlen(buf_string(&r->body)) == r->body.size);
    HOLDS(!strstr(buf_string(&r->body), SECRET));
    if (url_is_mail(buf_string(&r->url))) {
        HOLDS(url_check_mail(buf_string(&r->url), &fault) == 0 && r->header_count == 0);
        HOLDS(target_is_email(buf_string(&r->envelope.from)) && target_is_email(buf_string(&r->envelope.to)));
        return;
    }
    HOLDS(strcmp(r->method, "POST") == 0 || strcmp(r->method, "PUT") == 0 || strcmp(r->method, "PATCH") == 0);
    HOLDS(url_check(buf_string(&r->url), &fault) == 0);
    HOLDS(r->header_count > 0);
    for (size_t i = 0; i < r->header_count; i++)
        check_header(&r->headers[i]);
}

/* A request that must not go out says why: rejected, or the sender waits. */
static inline void check_refusal(const struct outcome *o) {
    HOLDS(o->kind == OUTCOME_REJECTED || (o->kind == OUTCOME_WAIT && o->scope == SCOPE_SENDER));
    HOLDS(o->reason[0] && is_printable(o->reason) && !strstr(o->reason, SECRET));
}
