/* What a message may be addressed to, and what it may say. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* "+" and 7 to 15 digits, the first of them not 0. */
bool target_is_e164(const char *target);

/* A group of the WhatsApp of telephones: 8801712345678-1412345678@g.us or 120363…@g.us. */
bool target_is_phone_group(const char *target);

/* A group of the Cloud API: base64 text, without an @. */
bool target_is_cloud_group(const char *target);

/* One ADDRESS@HOST of ASCII, of bounded parts, without quotes, comments and spaces. */
bool target_is_email(const char *target);

bool text_is_digits(const char *text);

/* Nothing but spaces and line ends: no gateway sends that. NULL is blank. */
bool text_is_blank(const char *text);

/* Writes a template's parameter into b, which is emptied first. WhatsApp refuses line ends, tabs and more than four spaces there:
 * each such run becomes one space. */
int text_flatten(struct buf *b, const char *text);
