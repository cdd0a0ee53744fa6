/* The messages that the sandbox was sent: the newest ones, bounded in number and in bytes, found by sequence number or by what
 * changed last, with duplicates counted by a hash table. Adding one costs the same however many are kept. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

enum {
    CHATS_BODY_BYTES_MAX = 64 * 1024, /* longer bodies are cut at a character */
    CHATS_TEXT_BYTES_MAX = 4096,      /* every other text, but for the template */
};

enum chat_gateway {
    CHAT_CLOUD,
    CHAT_WPPCONNECT,
    CHAT_WEBHOOK,
    CHAT_TWILIO,
    CHAT_WEBJS,
    CHAT_WAHA,
    CHAT_EVOLUTION,
    CHAT_GATEWAY_COUNT,
};

/* "cloud", "wppconnect", "webhook", … */
const char *chat_gateway_to_string(enum chat_gateway gateway);

/* The texts of a message. */
enum chat_text {
    CHAT_SENDER,
    CHAT_RECIPIENT,
    CHAT_BODY,
    CHAT_MESSAGE_ID,
    CHAT_OPAQUE,
    CHAT_KEY, /* what the client calls this message, so that a second copy is known; absent: sender, recipient and body are */
    CHAT_TEMPLATE, /* a JSON document */
    CHAT_MEDIA,    /* the same: {"type", "url", "filename"}; the body is the caption */
    CHAT_TEXT_COUNT,
};

/* A message that comes in; the texts are borrowed, valid UTF-8, NULL where absent. */
struct chat_arrival {
    enum chat_gateway gateway;
    bool is_group;
    bool is_refused; /* answered with an error: shown, but neither received nor a duplicate */
    unsigned answered; /* HTTP status; 0: no answer was given */
    unsigned unknown;  /* with what this gateway answers where a behaviour says 400, not on WhatsApp; 0: with that */
    int64_t code;      /* the gateway's own code of a refusal, or 0 */
    const char *text[CHAT_TEXT_COUNT];
};

/* A message that is kept. Borrowed until the next call that adds or clears. */
struct chat {
    uint64_t seq;       /* from 1, never used twice while the sandbox runs */
    uint64_t revision;  /* grows with every change of any message */
    uint64_t received_usec; /* wall clock */
    uint64_t hash;
    uint32_t hash_next; /* slot + 1 of the next one in the same bucket */
    uint32_t older, newer; /* slot + 1, in the order of change */
    uint32_t copies;
    int64_t code;
    char *block; /* the texts, NUL-terminated, one after the other */
    uint32_t block_bytes;
    uint32_t offset[CHAT_TEXT_COUNT]; /* into block; UINT32_MAX: absent */
    uint16_t answered;
    uint8_t gateway;
    bool is_group;
    bool is_refused;
};

struct chats_figures {
    uint64_t received;   /* taken, duplicates included */
    uint64_t duplicates; /* of these, copies of one already taken */
    uint64_t refused;
    uint64_t generation; /* how often everything was cleared */
    uint64_t revision;   /* of the newest change */
};

struct chats;

/* keep: how many messages; bytes_max: of their texts, all together. */
int chats_new(size_t keep, size_t bytes_max, struct chats **ret) _must_check_;
struct chats *chats_free(struct chats *c);
DEFINE_CLEANUP(struct chats *, chats_free)

/* Keeps the message, dropping the oldest ones for it, or counts it as one more copy of a kept one. */
int chats_add(struct chats *c, const struct chat_arrival *arrival) _must_check_;

/* Forgets all messages and figures. */
void chats_clear(struct chats *c);

struct chats_figures chats_figures(const struct chats *c);

/* A text of the message, or NULL. */
const char *chat_text(const struct chat *m, enum chat_text text);

/* The oldest kept message with a greater sequence number, or NULL. */
const struct chat *chats_after(const struct chats *c, uint64_t seq);

/* Messages in the order of their last change: the first of those changed after the revision, but of no more than the newest
 * `most` of these; then the next. NULL at the end. */
const struct chat *chats_changed_after(const struct chats *c, uint64_t revision, size_t most);
const struct chat *chats_next_change(const struct chats *c, const struct chat *m);
