/* Gateways: a message becomes a request, a reply becomes an outcome. Pure: no socket, no clock, no database, no log. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "gateway/outcome.h"
#include "io/json.h"
#include "io/request.h"

/* One claimed row, as herald.turn() gives it. All texts are borrowed and valid UTF-8. */
struct message {
    int64_t id;
    int64_t attempt_id;
    const char *target; /* E.164 with '+', a group's id, or an email address */
    bool is_group;
    const char *body; /* what a person reads; "" where the message is a gateway's template only */
    /* A template that the gateway knows, or NULL: {"name": …, "language": …, "parameters": [{"name": … or absent, "text": …}]} */
    const struct json_value *template;
    /* Of a part that is no text, or NULL: {"type": "image", "video", "audio" or "document", "url": …, "filename": … or absent};
     * body is then its caption, or "". */
    const struct json_value *media;
};

/* An account on a gateway: a row of herald.senders and its secret. Texts are borrowed. */
struct sender {
    const char *name;
    const char *base_url;              /* "" where the gateway has a default of its own */
    const struct json_value *account;  /* an object */
    const char *secret;                /* NULL where the sender names no credential */
};

/* Why a gateway is asked without a message: how the sender is, or because a person wants its session paired, or logged out. */
enum purpose { PURPOSE_HEALTH, PURPOSE_PAIR, PURPOSE_UNPAIR };

/* How a sender is, as its gateway says. */
enum health_kind {
    HEALTH_WELL,    /* of a session to be logged out: it is */
    HEALTH_ILL,     /* it would take no message now */
    HEALTH_UNKNOWN, /* the gateway is there, and its answer tells nothing */
    HEALTH_GO_ON,   /* not known yet, or to be mended: the next step tells */
    HEALTH_CODE,    /* it waits to be paired by the code */
};

enum { HEALTH_CODE_BYTES = 1024 };

struct health {
    enum health_kind kind;
    unsigned next_step;                /* where it goes on */
    int64_t wait_sec;                  /* of an ill one: until it is worth asking again, or WAIT_BY_BACKOFF */
    char reason[OUTCOME_REASON_BYTES]; /* unless well: a sentence for a person; valid UTF-8, no secret, nothing of a code */
    char code[HEALTH_CODE_BYTES];      /* what a QR code says, printable ASCII: as good as a key to the account, so for no log */
};

struct groups_shape;

struct gateway {
    const char *name;

    /* Whether the sender's row is complete for this gateway. 0, or -EINVAL and in reterr what is missing and how to mend it. */
    int (*check)(const struct sender *sender, struct buf *reterr);

    /* Fills a request that request_init() made. 1: it is to be sent. 0: it must not be, and *ret_outcome says why (rejected,
     * or the sender waits). A negative errno: no memory. */
    int (*request)(const struct sender *sender, const struct message *message, struct request *ret_request,
                   struct outcome *ret_outcome);

    /* What a complete reply means. It is never called for another kind: see outcome_from_reply(). */
    void (*understand)(const struct sender *sender, const struct message *message, const struct reply *reply,
                       struct outcome *ret_outcome);

    /* How the sender is, asked without a message: step 0 is the question; while the answer is HEALTH_GO_ON the step that it names
     * follows. Both NULL where the gateway can't be asked (herald.gateways.tells_health says the same, and pairs where it can be
     * asked to pair). ask fills a request that request_init() made; a negative errno: no memory, the row is not complete, or
     * -EOPNOTSUPP: it has no session to pair. */
    int (*ask)(const struct sender *sender, enum purpose purpose, unsigned step, struct request *ret_request);
    /* What a complete reply to it means: see health_from_reply(). */
    void (*hear)(const struct sender *sender, enum purpose purpose, unsigned step, const struct reply *reply,
                 struct health *ret_health);

    /* Which groups the account is in, asked page by page; after: where the page before said that this one begins, or "". As ask().
     * Where they stand in an answer of success is for a groups_reader; what another one means understand() says. Both NULL where
     * the gateway knows none. */
    int (*ask_groups)(const struct sender *sender, const char *after, struct request *ret_request);
    const struct groups_shape *groups;
};

/* The gateway of that name, or NULL. */
const struct gateway *gateway_find(const char *name);

/* "cloud, webhook, …": for an error text. Static. */
const char *gateway_names(void);

/* The outcome of any reply: UNSENT makes the sender wait, UNKNOWN is in doubt, and a complete one is the gateway's to
 * understand. */
void gateway_outcome(const struct gateway *gateway, const struct sender *sender, const struct message *message,
                     const struct reply *reply, struct outcome *ret_outcome);

/* What any reply to a gateway's ask() means: a sender whose gateway is out of reach is ill. */
void health_from_reply(const struct gateway *gateway, const struct sender *sender, enum purpose purpose, unsigned step,
                       const struct reply *reply, struct health *ret_health);

/* The health that an outcome tells of: a sender that waits is ill, and anything else is no answer to the question. */
void health_from_outcome(const struct outcome *outcome, struct health *ret_health);

/* The words that the database takes: 'well', 'ill', 'unknown', 'code'. */
const char *health_kind_to_string(enum health_kind kind);

/* Its words for a purpose: 'pair', 'unpair', or NULL; and back, where what it does not know is NULL too. */
const char *purpose_to_string(enum purpose purpose);
enum purpose purpose_from_string(const char *text);

extern const struct gateway gateway_cloud;
extern const struct gateway gateway_evolution;
extern const struct gateway gateway_smtp;
extern const struct gateway gateway_twilio;
extern const struct gateway gateway_waha;
extern const struct gateway gateway_webhook;
extern const struct gateway gateway_webjs;
extern const struct gateway gateway_wppconnect;
