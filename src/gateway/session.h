/* Gateways that keep sessions of WhatsApp Web, each of one paired telephone, behind a REST server: wppconnect and its like. What
 * they are told, and what may become of a message, is the same; paths, names and words differ: that is a dialect. */
#pragma once

#include "gateway/gateway.h"
#include "gateway/media.h"
#include "gateway/understand.h"

/* The steps of ask(). Asking begins with SESSION_STATUS, unpairing with SESSION_LOGOUT. */
enum session_step {
    SESSION_STATUS,
    SESSION_START,
    SESSION_RESTART,
    SESSION_CREATE, /* one that the server does not know yet */
    SESSION_CODE,   /* what its QR code says */
    SESSION_LOGOUT,
    SESSION_STEPS
};

struct session_call {
    const char *method; /* NULL: there is no such call */
    const char *path;   /* '*' stands for the session, escaped */
    const char *body;   /* NULL: none, or the message */
};

struct session_dialect {
    const char *name;                      /* of the server, as people call it */
    const char *account_key;               /* under which the account names the session */
    bool (*is_session)(const char *name);  /* NULL: it takes any name */
    bool is_open;                          /* some of these servers want no credential */
    const char *credential_header, *credential_prefix, *credential_noun;
    /* Sentences that say what to set. */
    const char *account_remedy, *base_url_remedy, *credential_remedy;

    struct session_call send, send_media[MEDIA_TYPES], steps[SESSION_STEPS], list_groups;
    /* What this server takes less of than the others: 1, or 0 and the outcome. NULL: nothing. */
    int (*check_target)(const struct message *message, struct outcome *ret);
    int (*check_media)(const struct media *media, struct outcome *ret);
    /* The members of the body of SESSION_CREATE; NULL: it has no such step. */
    void (*write_creation)(struct json_writer *w, const char *session);
    /* The members of the body; media is NULL, or what the message is, and then its text is the caption. */
    void (*write_message)(struct json_writer *w, const char *session, const struct message *message, const struct media *media);

    /* A 2xx that is no web page: NULL where the gateway says that it took the message, and in *ret_id what it calls it, or NULL;
     * else why it says nothing of the kind ("it is not success true"), static. */
    const char *(*read_taken)(const struct understood *answer, const struct message *message, const struct json_value **ret_id);
    /* Whether such an answer says that WhatsApp did not take it. NULL: none of this gateway's does. */
    bool (*is_not_taken)(const struct understood *answer);
    /* What its other answers mean, as far as they mean more than anybody's; ends with a row without a meaning. */
    const struct outcome_rule *answers;
    /* A row for what no text in the answer tells, or NULL; may be NULL itself. */
    const struct outcome_rule *(*judge)(const struct understood *answer);
    bool is_echoing; /* its answers repeat the request: only its own sentence is looked at */

    /* What an answer to a step means; false: nothing that it knows. */
    bool (*hear)(enum purpose purpose, enum session_step step, const struct understood *answer, struct health *ret);
};

/* The functions of a struct gateway, for a dialect. */
int session_check(const struct session_dialect *d, const struct sender *sender, struct buf *reterr) _must_check_;
int session_request(const struct session_dialect *d, const struct sender *sender, const struct message *message,
                    struct request *ret_request, struct outcome *ret_outcome) _must_check_;
void session_understand(const struct session_dialect *d, const struct sender *sender, const struct message *message,
                        const struct reply *reply, struct outcome *ret);
int session_ask(const struct session_dialect *d, const struct sender *sender, enum purpose purpose, unsigned step,
                struct request *ret) _must_check_;
int session_ask_groups(const struct session_dialect *d, const struct sender *sender, struct request *ret) _must_check_;
void session_hear(const struct session_dialect *d, const struct sender *sender, enum purpose purpose, unsigned step,
                  const struct reply *reply, struct health *ret);

/* Defines gateway_NAME, a struct gateway that speaks the dialect, and has groups where the shape says. */
#define DEFINE_SESSION_GATEWAY(its_name, dialect, groups_shape)                                                                \
    static int its_name##_check(const struct sender *sender, struct buf *reterr) {                                             \
        return session_check(&(dialect), sender, reterr);                                                                      \
    }                                                                                                                          \
    static int its_name##_request(const struct sender *sender, const struct message *message, struct request *ret_request,     \
                                  struct outcome *ret_outcome) {                                                               \
        return session_request(&(dialect), sender, message, ret_request, ret_outcome);                                         \
    }                                                                                                                          \
    static void its_name##_understand(const struct sender *sender, const struct message *message, const struct reply *reply,   \
                                      struct outcome *ret_outcome) {                                                           \
        session_understand(&(dialect), sender, message, reply, ret_outcome);                                                   \
    }                                                                                                                          \
    static int its_name##_ask(const struct sender *sender, enum purpose purpose, unsigned step, struct request *ret_request) { \
        return session_ask(&(dialect), sender, purpose, step, ret_request);                                                    \
    }                                                                                                                          \
    static void its_name##_hear(const struct sender *sender, enum purpose purpose, unsigned step, const struct reply *reply,   \
                                struct health *ret_health) {                                                                   \
        session_hear(&(dialect), sender, purpose, step, reply, ret_health);                                                    \
    }                                                                                                                          \
    static int its_name##_ask_groups(const struct sender *sender, _unused_ const char *after, struct request *ret_request) {   \
        return session_ask_groups(&(dialect), sender, ret_request);                                                            \
    }                                                                                                                          \
    const struct gateway gateway_##its_name = {                                                                                \
        .name = #its_name,                                                                                                     \
        .check = its_name##_check,                                                                                             \
        .request = its_name##_request,                                                                                         \
        .understand = its_name##_understand,                                                                                   \
        .ask = its_name##_ask,                                                                                                 \
        .hear = its_name##_hear,                                                                                               \
        .ask_groups = its_name##_ask_groups,                                                                                   \
        .groups = &(groups_shape),                                                                                             \
    };

/* For write_message(): the recipient as "DIGITS@c.us", or the group's id. */
void session_write_chat(struct json_writer *w, const char *key, const struct message *message);

/* The same: key and text, unless that is empty. */
void session_write_optional(struct json_writer *w, const char *key, const char *text);

/* For hear(). */
void session_go_on(enum session_step next, struct health *ret);
void session_well(struct health *ret);
void session_ill(const char *reason, struct health *ret);
void session_is_starting(struct health *ret);
void session_was_started(struct health *ret);
void session_wants_pairing(struct health *ret);

/* The code at the path of an answer to PURPOSE_PAIR, or why there is none that can be shown. image_path: where the answer has
 * it as a picture, or NULL. */
void session_take_code(const struct understood *answer, const char *path, const char *image_path, struct health *ret);
