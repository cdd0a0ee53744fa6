/* A request as a contract sees it, and its answer, as plain data: no socket, no library. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "io/json.h"
#include "sandbox/behaviour.h"
#include "sandbox/chats.h"

enum {
    CALL_BODY_BYTES_MAX = 1024 * 1024,
    ANSWER_BYTES_MAX = 40 * 1024 * 1024,
    SANDBOX_HEADERS_MAX = 8,
    PATH_PARTS_MAX = 3,
    PATH_PART_BYTES = 256,
};

#define JSON_PLAIN "application/json"
/* What stands for the picture of a QR code: one white pixel. */
#define SANDBOX_IMAGE                                                                                                          \
    "data:image/png;base64,"                                                                                                   \
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mP8/x8AAwMCAO+ip1sAAAAASUVORK5CYII="

#define JSON_EXPRESS "application/json; charset=utf-8" /* as a server on Express says it */

/* A request. Borrowed texts; NULL where absent. */
struct call {
    const char *method;
    const char *path; /* decoded, without the query */
    const char *content_type, *authorization, *api_key, *apikey, *host, *origin, *fetch_site;
    const char *after, *recipient, *refused, *generation, *format; /* of the query */
    const char *body;
    size_t body_size;
};

/* How the answer leaves. */
enum manner {
    MANNER_SEND,
    MANNER_HANG,      /* never, until the client has gone */
    MANNER_CUT,       /* the connection is closed instead */
    MANNER_DRIP,      /* a byte a second */
    MANNER_TRUNCATED, /* its first half, then the connection is closed */
    MANNER_WAIT,      /* not before something changed, or for a while: ask again then */
};

struct sandbox_header {
    const char *name; /* static */
    char value[512];
};

struct sandbox_reply {
    unsigned status;
    const char *content_type; /* static, or NULL */
    enum manner manner;
    uint64_t latency_usec;
    struct sandbox_header headers[SANDBOX_HEADERS_MAX];
    size_t header_count;
    struct buf body; /* at most ANSWER_BYTES_MAX */
};

/* What all requests share. */
struct sandbox {
    struct chats *chats;
    struct behaviour *behaviour;
    struct pairings *pairings;
    const char *token; /* borrowed; NULL: any will do */
    bool is_loopback;  /* nobody else can reach us */
    uint64_t id_seed;  /* for message ids */
    uint64_t id_count;
    uint64_t started_usec; /* monotonic */
    void (*on_message)(const struct chat_arrival *arrival, void *userdata); /* one was taken; may be NULL */
    void *userdata;
};

void sandbox_reply_init(struct sandbox_reply *a);
void sandbox_reply_done(struct sandbox_reply *a);

/* Sets status and type, and begins a JSON body. NULL where there is no memory; then the request fails. */
struct json_writer *sandbox_reply_json(struct sandbox_reply *a, unsigned status, const char *content_type) _must_check_;

/* Sets status, type and the body as it is. */
void sandbox_reply_text(struct sandbox_reply *a, unsigned status, const char *content_type, const char *text);

void sandbox_reply_header(struct sandbox_reply *a, const char *name, const char *format, ...) _printf_(3, 4);

/* Whether path has the form of pattern, in which each '*' stands for one part between slashes, and a last '**' for the rest.
 * The parts, not empty, come out as texts. */
bool call_path_matches(const char *pattern, const char *path, char parts[PATH_PARTS_MAX][PATH_PART_BYTES]);

/* {"NAME": "text", …} of one level: most answers are that. The list ends with NULL. 1, or a negative errno. */
int sandbox_reply_flat(struct sandbox_reply *a, unsigned status, const char *const *members) _must_check_;

#define FLAT(...) ((const char *const[]) {__VA_ARGS__, NULL})

/* A page, as a server on Express answers where it does not come to its own code. 1. */
int sandbox_reply_page(struct sandbox_reply *a, unsigned status, const char *what) _must_check_;

/* Appends what a person reads as the recipient: +number for a chat of one ("8801712345678@c.us"), else the chat's id. */
void sandbox_append_recipient(struct buf *b, const char *chat_id);

/* Whether it ends so. */
bool text_ends_with(const char *text, const char *end);

/* Whether a gateway could fetch media from there. */
bool text_is_web_address(const char *text);

/* Writes what a message's media are, for CHAT_MEDIA. filename may be NULL. */
int sandbox_write_media(struct buf *out, const char *type, const char *url, const char *filename) _must_check_;

/* The bearer token of the request, or NULL. */
const char *call_bearer(const struct call *call);

/* Whether the token opens the gateway: any that is not empty, or the one that was set. */
bool sandbox_knows_token(const struct sandbox *s, const char *token);

/* 18 hexadecimal digits, new each time. */
void sandbox_new_id(struct sandbox *s, char ret[static 19]);

/* Appends the digits of a number that may be written with '+', spaces, hyphens, dots and brackets, after a '+' where it had
 * one. False where there is something else in it. */
bool sandbox_append_number(struct buf *b, const char *text);

/* Decides what becomes of a message, keeps it, and says so in ret: latency, Retry-After and how the answer leaves are set in
 * the answer already, its status and body are the contract's to write. success_status is what the answer will be. */
int sandbox_receive(struct sandbox *s, struct chat_arrival *arrival, unsigned success_status, struct sandbox_reply *a,
                    struct verdict *ret) _must_check_;

/* After the contract wrote its success: makes of it what the verdict asks for. */
int sandbox_reply_spoil(struct sandbox_reply *a, const struct verdict *verdict) _must_check_;

/* The groups that every account here is in, of telephones and of the Cloud API; each list ends with one without an id. */
struct sandbox_group {
    const char *id, *name;
};

extern const struct sandbox_group sandbox_groups[], sandbox_cloud_groups[];

/* Writes {"id": {"server", "user", "_serialized"}, "name", "isGroup"}, as WhatsApp's own client has a chat. */
void sandbox_write_chat(struct json_writer *w, const char *id, const char *name);

/* The contracts. 1: answered; 0: the path is none of theirs; or a negative errno. */
int contract_cloud(struct sandbox *s, const struct call *call, struct sandbox_reply *a) _must_check_;
int contract_wppconnect(struct sandbox *s, const struct call *call, struct sandbox_reply *a) _must_check_;
int contract_evolution(struct sandbox *s, const struct call *call, struct sandbox_reply *a) _must_check_;
int contract_waha(struct sandbox *s, const struct call *call, struct sandbox_reply *a) _must_check_;
int contract_webjs(struct sandbox *s, const struct call *call, struct sandbox_reply *a) _must_check_;
int contract_twilio(struct sandbox *s, const struct call *call, struct sandbox_reply *a) _must_check_;
int contract_webhook(struct sandbox *s, const struct call *call, struct sandbox_reply *a) _must_check_;

/* Answers what a page of another site asks, whichever path; 0: there is no reason to refuse it. */
int control_refuse(struct sandbox *s, const struct call *call, struct sandbox_reply *a) _must_check_;

/* The page and the sandbox's own interface, for people and tests. */
int control_answer(struct sandbox *s, const struct call *call, struct sandbox_reply *a) _must_check_;
