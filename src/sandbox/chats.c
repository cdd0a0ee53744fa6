#include "sandbox/chats.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"

struct chats {
    size_t keep;
    size_t bytes_max;
    size_t bytes;
    struct chat *ring;  /* of keep slots; the message seq stands in slot seq % keep */
    uint32_t *buckets;  /* slot + 1 */
    size_t bucket_mask;
    uint64_t first_seq; /* of the oldest one kept; last_seq + 1 where there is none */
    uint64_t last_seq;
    uint32_t oldest_change, newest_change; /* slot + 1 */
    struct chats_figures figures;
};

const char *chat_gateway_to_string(enum chat_gateway gateway) {
    static const char *const names[CHAT_GATEWAY_COUNT] = {"cloud", "wppconnect", "webhook", "twilio", "webjs", "waha", "evolution"};
    return names[gateway];
}

int chats_new(size_t keep, size_t bytes_max, struct chats **ret) {
    if (keep == 0 || keep >= UINT32_MAX)
        return -EINVAL;
    _cleanup_(chats_freep) struct chats *c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    size_t buckets = 64;
    while (buckets < keep)
        buckets *= 2;
    c->keep = keep;
    c->bytes_max = bytes_max;
    c->first_seq = 1;
    c->bucket_mask = buckets - 1;
    /* Memory that was never touched costs nothing, so both tables may have their final size at once. */
    c->ring = calloc(keep, sizeof(*c->ring));
    c->buckets = calloc(buckets, sizeof(*c->buckets));
    if (!c->ring || !c->buckets)
        return -ENOMEM;
    *ret = TAKE_PTR(c);
    return 0;
}

struct chats *chats_free(struct chats *c) {
    if (!c)
        return NULL;
    if (c->ring)
        chats_clear(c);
    free(c->ring);
    free(c->buckets);
    free(c);
    return NULL;
}

const char *chat_text(const struct chat *m, enum chat_text text) {
    return m->offset[text] == UINT32_MAX ? NULL : m->block + m->offset[text];
}

static uint32_t slot_of(const struct chats *c, uint64_t seq) {
    return (uint32_t) (seq % c->keep);
}

static uint64_t hash_text(uint64_t hash, const char *text) {
    for (const unsigned char *p = (const unsigned char *) (text ? text : ""); *p; p++)
        hash = (hash ^ *p) * UINT64_C(0x100000001b3);
    return (hash ^ 0xff) * UINT64_C(0x100000001b3);
}

/* Two messages are copies of one when the client gave both the same key, or gave none and they say the same. */
static uint64_t arrival_hash(const struct chat_arrival *a) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325) + a->gateway;
    hash = hash_text(hash, a->text[CHAT_RECIPIENT]);
    if (a->text[CHAT_KEY])
        return hash_text(hash, a->text[CHAT_KEY]);
    hash = hash_text(hash, a->text[CHAT_SENDER]);
    hash = hash_text(hash, a->text[CHAT_MEDIA]);
    return hash_text(hash, a->text[CHAT_BODY]);
}

static bool is_same_text(const struct chat *m, const struct chat_arrival *a, enum chat_text text) {
    const char *kept = chat_text(m, text), *other = a->text[text];
    return kept && other ? strcmp(kept, other) == 0 : kept == other;
}

static bool is_copy(const struct chat *m, const struct chat_arrival *a) {
    if (m->gateway != a->gateway || !is_same_text(m, a, CHAT_RECIPIENT) || !is_same_text(m, a, CHAT_KEY))
        return false;
    if (a->text[CHAT_KEY])
        return true;
    return is_same_text(m, a, CHAT_SENDER) && is_same_text(m, a, CHAT_BODY) && is_same_text(m, a, CHAT_TEMPLATE) &&
           is_same_text(m, a, CHAT_MEDIA);
}

static struct chat *find_copy(struct chats *c, const struct chat_arrival *a, uint64_t hash) {
    for (uint32_t i = c->buckets[hash & c->bucket_mask]; i; i = c->ring[i - 1].hash_next)
        if (c->ring[i - 1].hash == hash && is_copy(&c->ring[i - 1], a))
            return &c->ring[i - 1];
    return NULL;
}

static void change_unlink(struct chats *c, struct chat *m) {
    *(m->older ? &c->ring[m->older - 1].newer : &c->oldest_change) = m->newer;
    *(m->newer ? &c->ring[m->newer - 1].older : &c->newest_change) = m->older;
    m->older = m->newer = 0;
}

static void change_append(struct chats *c, struct chat *m) {
    uint32_t self = (uint32_t) (m - c->ring) + 1;
    m->revision = ++c->figures.revision;
    m->older = c->newest_change;
    m->newer = 0;
    *(m->older ? &c->ring[m->older - 1].newer : &c->oldest_change) = self;
    c->newest_change = self;
}

static void bucket_unlink(struct chats *c, struct chat *m) {
    uint32_t self = (uint32_t) (m - c->ring) + 1;
    for (uint32_t *p = &c->buckets[m->hash & c->bucket_mask]; *p; p = &c->ring[*p - 1].hash_next)
        if (*p == self) {
            *p = m->hash_next;
            return;
        }
}

static void drop_oldest(struct chats *c) {
    struct chat *m = &c->ring[slot_of(c, c->first_seq)];
    if (!m->is_refused)
        bucket_unlink(c, m);
    change_unlink(c, m);
    c->bytes -= m->block_bytes;
    free(m->block);
    *m = (struct chat) {0};
    c->first_seq++;
}

/* The texts of the arrival in one block. */
static int pack(const struct chat_arrival *a, struct chat *ret) {
    size_t size = 0;
    for (int t = 0; t < CHAT_TEXT_COUNT; t++)
        size += a->text[t] ? strlen(a->text[t]) + 1 : 0;
    if (size >= UINT32_MAX)
        return -EMSGSIZE;
    ret->block = malloc(size ? size : 1);
    if (!ret->block)
        return -ENOMEM;
    ret->block_bytes = (uint32_t) size;
    uint32_t at = 0;
    for (int t = 0; t < CHAT_TEXT_COUNT; t++) {
        ret->offset[t] = UINT32_MAX;
        if (!a->text[t])
            continue;
        size_t length = strlen(a->text[t]) + 1;
        memcpy(ret->block + at, a->text[t], length);
        ret->offset[t] = at;
        at += (uint32_t) length;
    }
    return 0;
}

static void count(struct chats *c, const struct chat_arrival *a, bool is_duplicate) {
    if (a->is_refused)
        c->figures.refused++;
    else
        c->figures.received++;
    if (is_duplicate)
        c->figures.duplicates++;
}

int chats_add(struct chats *c, const struct chat_arrival *a) {
    uint64_t hash = arrival_hash(a);
    struct chat *known = a->is_refused ? NULL : find_copy(c, a, hash);
    if (known) {
        count(c, a, true);
        known->copies++;
        known->answered = (uint16_t) a->answered;
        change_unlink(c, known);
        change_append(c, known);
        return 0;
    }

    struct chat m = {.received_usec = clock_wall_usec(), .hash = hash, .copies = 1, .code = a->code,
                     .answered = (uint16_t) a->answered, .gateway = (uint8_t) a->gateway, .is_group = a->is_group,
                     .is_refused = a->is_refused};
    int r = pack(a, &m);
    if (r < 0)
        return r;
    while (c->first_seq <= c->last_seq &&
           (c->last_seq - c->first_seq + 1 >= c->keep || c->bytes + m.block_bytes > c->bytes_max))
        drop_oldest(c);
    m.seq = ++c->last_seq;
    struct chat *slot = &c->ring[slot_of(c, m.seq)];
    *slot = m;
    c->bytes += m.block_bytes;
    if (!m.is_refused) {
        slot->hash_next = c->buckets[hash & c->bucket_mask];
        c->buckets[hash & c->bucket_mask] = slot_of(c, m.seq) + 1;
    }
    change_append(c, slot);
    count(c, a, false);
    return 0;
}

void chats_clear(struct chats *c) {
    while (c->first_seq <= c->last_seq)
        drop_oldest(c);
    c->figures = (struct chats_figures) {.generation = c->figures.generation + 1, .revision = c->figures.revision};
}

struct chats_figures chats_figures(const struct chats *c) {
    return c->figures;
}

const struct chat *chats_after(const struct chats *c, uint64_t seq) {
    if (seq >= c->last_seq || c->first_seq > c->last_seq)
        return NULL;
    uint64_t next = seq + 1 > c->first_seq ? seq + 1 : c->first_seq;
    return &c->ring[slot_of(c, next)];
}

const struct chat *chats_changed_after(const struct chats *c, uint64_t revision, size_t most) {
    const struct chat *first = NULL;
    for (uint32_t i = c->newest_change; i && most > 0; i = c->ring[i - 1].older, most--) {
        if (c->ring[i - 1].revision <= revision)
            break;
        first = &c->ring[i - 1];
    }
    return first;
}

const struct chat *chats_next_change(const struct chats *c, const struct chat *m) {
    return m->newer ? &c->ring[m->newer - 1] : NULL;
}
