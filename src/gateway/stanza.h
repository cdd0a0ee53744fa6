/* What WhatsApp itself calls a message. Gateways on WhatsApp Web tell it in shapes that differ between an answer and its receipt:
 * "3EB0A1", "true_8801712345678@c.us_3EB0A1", "true_120363…@g.us_3EB0A1_55…@lid" (another participant, or none), an object whose
 * whole form is "_serialized" or, since WhatsApp Web renamed that in July 2026, "$1", a number. The part that is the same
 * everywhere is the stanza's id: "3EB0A1". Sources: whatsapp-web.js PR 201832 ("$1"), devlikeapro/waha issue 1464 (participants),
 * wppconnect's serialize-message.js. */
#pragma once

#include "base/cleanup.h"
#include "io/json.h"

enum { STANZA_BYTES = 256 };

/* The stanza's id of a message's id, as it stands in an answer or a webhook; false where there is none in it. */
bool stanza_read(const struct json_value *id, char ret[static STANZA_BYTES]) _must_check_;
