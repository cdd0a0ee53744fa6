/* What a gateway wrote, made fit for a row's error column: gateways echo numbers, bodies and tokens in their error texts, and
 * those columns are read by people who may see none of them. */
#pragma once

#include <stddef.h>

#include "gateway/gateway.h"

/* Writes the foreign bytes into ret (NUL-terminated, cut between characters) with
 *  - the sender's secret, in every form of secret_forms.h, the message's body and the values of its template replaced by "[…]",
 *    in pieces too (16 bytes, of a secret 8, or the whole of a shorter one),
 *  - the target, however its digits are grouped, and every run of 7 or more digits shortened to "…" and the last two,
 *  - bytes that are not UTF-8 as U+FFFD, and control bytes as spaces.
 * sender and message may be NULL. */
void scrub_text(const char *bytes, size_t size, const struct sender *sender, const struct message *message, char *ret,
                size_t ret_size);

/* Appends to b as much as it has room for of an answer's body as it is to be kept: valid UTF-8, with the sender's secret, which
 * a gateway may echo, in every form of secret_forms.h, replaced by "[…]", in pieces too. Everything else stays: whoever may read
 * the answer may read the row. */
int scrub_kept(struct buf *b, const char *bytes, size_t size, const struct sender *sender) _must_check_;

/* The sentence in an answer: the first string among the places where gateways put it ("error.message", "message", "error", …), or
 * NULL. Not scrubbed, and borrowed from the document (may be NULL). */
const char *reply_sentence(const struct json_value *root);

/* That sentence, else the plain text of an answer that is neither JSON nor HTML; "" where there is none. Scrubbed. */
void scrub_reply(const struct reply *reply, const struct json_value *root, const struct sender *sender,
                 const struct message *message, char *ret, size_t ret_size);
