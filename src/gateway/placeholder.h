/* The placeholders of a webhook's account: {{target}}, {{phone}}, {{body}}, {{id}}, {{attempt_id}}, {{key}}, {{kind}},
 * {{media.type}}, {{media.url}}, {{media.filename}}, and {{credential}}. */
#pragma once

#include "gateway/gateway.h"

enum placeholder_place {
    PLACEHOLDER_IN_BODY,   /* every one but {{credential}}: a body may be logged by whoever gets it */
    PLACEHOLDER_IN_HEADER, /* none of text or media: a line end in it would be another header */
};

/* "": every placeholder in the text is known and may stand there. Else the sentence that says which one is not, and which are;
 * static. */
const char *placeholder_fault(const char *text, enum placeholder_place place);

/* Whether the text holds that placeholder, for example "{{body}}". */
bool placeholder_is_used(const struct json_value *value, const char *placeholder);

/* Appends the text with every placeholder replaced by its value; what is put in is not looked at again. */
int placeholder_expand(struct buf *b, const char *text, const struct sender *sender, const struct message *message);
