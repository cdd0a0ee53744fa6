#include "gateway/scrub.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "gateway/secret_forms.h"

enum {
    SCRUB_INPUT_BYTES = 2048,     /* more is not looked at */
    SCRUB_TAIL_BYTES = 64,        /* of a longer text, not shown: a number or token cut there could not be recognised */
    SCRUB_HIDDEN_MAX = 32,        /* texts to hide; more parameters than that are not told apart from the gateway's words */
    SCRUB_PIECE_BYTES = 16,
    SCRUB_SECRET_PIECE_BYTES = 8,
    SCRUB_SHORTEST_BYTES = 4,     /* hiding a shorter body would only eat the gateway's words */
    SCRUB_SHORTEST_FORM_BYTES = 6, /* the same of an encoded secret */
    SCRUB_TRIES_MAX = 64,
    SCRUB_PASSES_MAX = 8,
    SCRUB_DIGITS = 7,             /* the shortest telephone number */
    SCRUB_DIGITS_MAX = 64,
};

struct hidden {
    const char *text;
    size_t size;
    size_t piece; /* so many equal bytes are taken to be a part of it */
};

struct scrubber {
    struct secret_forms forms;
    struct hidden hidden[SCRUB_HIDDEN_MAX];
    size_t hidden_count;
    char digits[SCRUB_DIGITS_MAX + 1]; /* of the target */
    size_t digit_count;
    char *out;
    size_t out_size; /* with the final NUL */
    size_t used;
    bool full;
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* All or nothing, so that no character is cut, and nothing follows a gap. */
static void put(struct scrubber *s, const char *bytes, size_t size) {
    if (s->full || size >= s->out_size - s->used) {
        s->full = true;
        return;
    }
    memcpy(s->out + s->used, bytes, size);
    s->used += size;
    s->out[s->used] = '\0';
}

static void hide_bytes(struct scrubber *s, const char *text, size_t size, size_t shortest, size_t piece) {
    if (size < shortest || size == 0 || s->hidden_count == SCRUB_HIDDEN_MAX)
        return;
    s->hidden[s->hidden_count++] = (struct hidden) {
        .text = text, .size = size, .piece = size < piece ? size : piece,
    };
}

static void hide(struct scrubber *s, const char *text, size_t shortest, size_t piece) {
    hide_bytes(s, text, text ? strlen(text) : 0, shortest, piece);
}

/* In every form in which it may come back. */
static int hide_secret(struct scrubber *s, const struct sender *sender) {
    if (!sender || !sender->secret)
        return 0;
    int r = secret_forms_fill(&s->forms, sender->secret);
    for (size_t i = 0; r >= 0 && i < s->forms.count; i++)
        hide_bytes(s, s->forms.text.data + s->forms.offset[i], s->forms.offset[i + 1] - s->forms.offset[i],
                   i == 0 ? 1 : SCRUB_SHORTEST_FORM_BYTES, SCRUB_SECRET_PIECE_BYTES);
    return r;
}

static void hide_parameters(struct scrubber *s, const struct json_value *template) {
    const struct json_value *parameters = json_at(template, "parameters");

    if (!parameters || json_type(parameters) != JSON_ARRAY)
        return;
    for (const struct json_value *v = json_first(parameters); v; v = json_next(v))
        hide(s, json_text_at(v, "text"), SCRUB_SHORTEST_BYTES, SCRUB_PIECE_BYTES);
}

static int hide_all(struct scrubber *s, const struct sender *sender, const struct message *message) {
    int r = hide_secret(s, sender);

    if (r < 0 || !message)
        return r;
    hide(s, message->target, SCRUB_DIGITS, SCRUB_PIECE_BYTES);
    hide(s, message->body, SCRUB_SHORTEST_BYTES, SCRUB_PIECE_BYTES);
    hide_parameters(s, message->template);
    for (const char *p = message->target ? message->target : ""; *p && s->digit_count < SCRUB_DIGITS_MAX; p++)
        if (is_digit(*p))
            s->digits[s->digit_count++] = *p;
    return 0;
}

/* How many bytes from here on are part of something hidden. */
static size_t hidden_at(const struct scrubber *s, const char *text, size_t size) {
    size_t longest = 0;

    for (size_t i = 0; i < s->hidden_count; i++) {
        const struct hidden *h = &s->hidden[i];
        const char *end = h->text + h->size, *p = h->text;
        unsigned tries = 0; /* a text that repeats itself must not cost more than others */

        if (size < h->piece)
            continue;
        while (tries++ < SCRUB_TRIES_MAX && (p = memmem(p, (size_t) (end - p), text, h->piece))) {
            size_t n = h->piece;

            while (n < size && p + n < end && p[n] == text[n])
                n++;
            if (n > longest)
                longest = n;
            p++;
        }
    }
    return longest;
}

/* How many bytes of text are the target's last digits (all, or at least seven) with the usual separators between them. */
static size_t target_at(const struct scrubber *s, const char *text, size_t size) {
    for (size_t from = 0; from + SCRUB_DIGITS <= s->digit_count; from++) {
        size_t i = 0, digit = from, gap = 0;

        while (i < size && digit < s->digit_count && gap <= 3) {
            if (is_digit(text[i])) {
                if (text[i] != s->digits[digit])
                    break;
                digit++;
                gap = 0;
            } else if (strchr(" -().+/", text[i])) {
                gap++;
            } else {
                break;
            }
            i++;
        }
        if (digit == s->digit_count)
            return i;
    }
    return 0;
}

/* How many bytes of text may be a telephone number, or 0: it begins and ends with a digit. */
static size_t number_at(const struct scrubber *s, const char *text, size_t size) {
    size_t run = 0, target;

    while (run < size && is_digit(text[run]))
        run++;
    if (run == 0)
        return 0;
    target = target_at(s, text, size);
    if (run >= SCRUB_DIGITS && run > target)
        return run;
    return target;
}

/* The end of the text without what is no digit: "…78". */
static void put_masked_number(struct scrubber *s, const char *text, size_t size) {
    char masked[8], last[2] = "??";
    size_t found = 0;
    int n;

    while (size > 0 && found < 2)
        if (is_digit(text[--size]))
            last[1 - found++] = text[size];
    n = snprintf(masked, sizeof(masked), "…%c%c", last[0], last[1]);
    put(s, masked, (size_t) n);
}

static size_t character_bytes(const char *text) {
    unsigned char c = (unsigned char) *text;

    return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

static bool is_control(const char *text, size_t size) {
    unsigned char c = (unsigned char) text[0];

    return c < 0x20 || c == 0x7f || (size == 2 && c == 0xc2 && (unsigned char) text[1] < 0xa0);
}

/* text is valid UTF-8. shown: so many bytes of it may appear. */
static void scrub_valid(struct scrubber *s, const char *text, size_t size, size_t shown) {
    size_t n;

    for (size_t i = 0; i < shown && !s->full; i += n) {
        n = hidden_at(s, text + i, size - i);
        if (n > 0) {
            /* A piece may end inside a character. */
            while (i + n < size && ((unsigned char) text[i + n] & 0xc0) == 0x80)
                n++;
            put(s, "[…]", strlen("[…]"));
            continue;
        }
        n = number_at(s, text + i, size - i);
        if (n > 0) {
            put_masked_number(s, text + i, n);
            continue;
        }
        n = character_bytes(text + i);
        if (is_control(text + i, n))
            put(s, " ", 1);
        else
            put(s, text + i, n);
    }
}

/* A space that was a line end, or the digits that are left of a number, may have completed a piece of what is hidden: once more,
 * until there is nothing left to hide. */
static void scrub_again(struct scrubber *s) {
    _cleanup_(buf_wipe) struct buf before = BUF_MAX(s->out_size);
    bool is_changed = true;

    for (unsigned pass = 0; is_changed && s->used > 0 && pass < SCRUB_PASSES_MAX; pass++) {
        buf_clear(&before);
        if (buf_append(&before, s->out, s->used) < 0) {
            s->out[0] = '\0'; /* no memory to be sure */
            return;
        }
        s->used = 0;
        s->full = false;
        scrub_valid(s, before.data, before.size, before.size);
        is_changed = s->used != before.size || memcmp(s->out, before.data, before.size) != 0;
    }
}

void scrub_text(const char *bytes, size_t size, const struct sender *sender, const struct message *message, char *ret,
                size_t ret_size) {
    _cleanup_(buf_wipe) struct buf valid = BUF_MAX(3 * SCRUB_INPUT_BYTES);
    struct scrubber s = {.out = ret, .out_size = ret_size};
    size_t shown;

    ret[0] = '\0';
    if (!bytes || size == 0 || text_append_utf8(&valid, bytes, size, SCRUB_INPUT_BYTES) < 0)
        return;
    if (hide_all(&s, sender, message) >= 0) { /* else there is no memory to be sure */
        shown = valid.size > SCRUB_INPUT_BYTES - 8 ? valid.size - SCRUB_TAIL_BYTES : valid.size; /* was it cut? */
        scrub_valid(&s, valid.data, valid.size, shown);
        scrub_again(&s);
    }
    secret_forms_done(&s.forms);
}

static unsigned pair_at(const char *text) {
    return (unsigned) (unsigned char) text[0] << 8 | (unsigned char) text[1];
}

/* Whether a piece of what is hidden may be in the text: false is certain, and found without a search at each byte, since every
 * answer is looked at. A piece is a run of pairs that all are in what is hidden. */
static bool may_hide(const struct scrubber *s, const char *text, size_t size) {
    unsigned char pairs[65536 / 8] = {0};
    size_t run = 0, shortest = SIZE_MAX;

    for (size_t k = 0; k < s->hidden_count; k++) {
        const struct hidden *h = &s->hidden[k];

        if (h->piece < shortest)
            shortest = h->piece;
        for (size_t i = 0; i + 1 < h->size; i++)
            pairs[pair_at(h->text + i) / 8] |= (unsigned char) (1U << (pair_at(h->text + i) % 8));
    }
    for (size_t i = 0; i + 1 < size && run + 1 < shortest; i++)
        run = pairs[pair_at(text + i) / 8] >> (pair_at(text + i) % 8) & 1 ? run + 1 : 0;
    return run + 1 >= shortest;
}

/* text is valid UTF-8. */
static int append_without_hidden(struct buf *b, const struct scrubber *s, const char *text, size_t size) {
    size_t from = 0, n = 1;
    int r = 0;

    for (size_t i = 0; i < size && r >= 0; i += n) {
        n = hidden_at(s, text + i, size - i);
        if (n == 0) {
            n = 1;
            continue;
        }
        r = text_append_utf8(b, text + from, i - from, b->max - b->size);
        while (i + n < size && ((unsigned char) text[i + n] & 0xc0) == 0x80)
            n++;
        if (r >= 0)
            r = text_append_utf8(b, "[…]", strlen("[…]"), b->max - b->size);
        from = i + n;
    }
    if (r >= 0 && from < size)
        r = text_append_utf8(b, text + from, size - from, b->max - b->size);
    return r;
}

int scrub_kept(struct buf *b, const char *bytes, size_t size, const struct sender *sender) {
    _cleanup_(buf_wipe) struct buf valid = BUF_MAX(2 * b->max + SCRUB_TAIL_BYTES); /* "[…]" is shorter than what it stands for */
    struct scrubber s = {0};
    int r = text_append_utf8(&valid, bytes, size, valid.max);

    if (r >= 0)
        r = hide_secret(&s, sender);
    if (r >= 0 && valid.size > 0 && may_hide(&s, valid.data, valid.size))
        r = append_without_hidden(b, &s, valid.data, valid.size);
    else if (r >= 0)
        r = text_append_utf8(b, buf_string(&valid), valid.size, b->max - b->size);
    secret_forms_done(&s.forms);
    return r;
}

static bool is_plain_text(const struct reply *reply) {
    size_t i = strspn(reply->body, " \t\r\n");

    return i < reply->body_size && !strchr("<{[", reply->body[i]);
}

const char *reply_sentence(const struct json_value *root) {
    static const char *const places[] = {
        "error.message", "response.message", "response.message.0", "response.message.0.0", "exception.message", "message",
        "message.0", "error", "reason", "detail", "response",
    };

    for (size_t i = 0; root && i < ELEMENTSOF(places); i++) {
        const char *text = json_text_at(root, places[i]);

        if (text && *text)
            return text;
    }
    return NULL;
}

void scrub_reply(const struct reply *reply, const struct json_value *root, const struct sender *sender,
                 const struct message *message, char *ret, size_t ret_size) {
    const char *sentence = reply_sentence(root);

    ret[0] = '\0';
    if (sentence)
        scrub_text(sentence, strlen(sentence), sender, message, ret, ret_size);
    else if (!root && reply->body && is_plain_text(reply))
        scrub_text(reply->body, reply->body_size, sender, message, ret, ret_size);
}
