/* What must hold of every request that a gateway makes. */
#pragma once

#include "fuzz.h"

#include "gateway/gateway.h"
#include "io/url.h"

#define SECRET "EAAGm0PX4ZCpsBAtoken"

static inline void check_header(const struct buf *line) {
    HOLDS(text_is_header_safe(buf_string(line)) && strlen(buf_string(line)) == line->size);
    HOLDS(strstr(buf_string(line), ": ") > buf_string(line));
}

/* The secret goes nowhere but into headers; the caller frees the body's document. */
static inline struct json *check_request(const struct request *r) {
    const char *fault;
    struct json *doc = NULL;

    HOLDS(strcmp(r->method, "POST") == 0 || strcmp(r->method, "PUT") == 0 || strcmp(r->method, "PATCH") == 0);
    HOLDS(url_check(buf_string(&r->url), &fault) == 0);
    HOLDS(!strstr(buf_string(&r->url), SECRET));
    HOLDS(r->header_count > 0);
    for (size_t i = 0; i < r->header_count; i++)
        check_header(&r->headers[i]);
    HOLDS(strlen(buf_string(&r->body)) == r->body.size);
    HOLDS(json_parse(buf_string(&r->body), r->body.size, &doc, &fault) == 0);
    HOLDS(!strstr(buf_string(&r->body), SECRET));
    return doc;
}

/* A request that must not go out says why: rejected, or the sender waits. */
static inline void check_refusal(const struct outcome *o) {
    HOLDS(o->kind == OUTCOME_REJECTED || (o->kind == OUTCOME_WAIT && o->scope == SCOPE_SENDER));
    HOLDS(o->reason[0] && is_printable(o->reason) && !strstr(o->reason, SECRET));
}
