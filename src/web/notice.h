/* What webhooks tell beside receipts: of people who want no more messages, or want them again, and of what became of templates.
 * Pure: a document in, notices out. What they mean is herald.hear()'s to say. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "io/json.h"

enum { NOTICE_ACCOUNT_BYTES = 128, NOTICE_SUBJECT_BYTES = 512, NOTICE_DETAIL_BYTES = 64 };

/* All texts are borrowed until the callback returns. */
struct notice {
    const char *what;     /* "preference", "text", "template" */
    const char *gateway;  /* "cloud", "wppconnect", … */
    const char *account;  /* phone_number_id, session, instance; NULL: a template is no single number's */
    const char *subject;  /* a person's number, digits; a template's name at the gateway */
    const char *detail;   /* "stop", "resume"; what was typed; the template's event */
    const char *language; /* of a template; else NULL */
    int64_t at_sec;       /* since 1970, as it was written; 0: not said */
};

/* 0, or a negative errno, which ends the reading. */
typedef int (*notice_fn)(const struct notice *notice, void *userdata);

/* The notices of a Cloud API webhook, in order; what is no such thing, or can't be one, is passed over. Texts are those that people
 * typed outside groups and that are short enough to be a word of herald.settings. -EBADMSG: no webhook of this gateway. */
int notice_read_cloud(const struct json_value *root, notice_fn on_notice, void *userdata) _must_check_;

/* The same of the events of gateways on WhatsApp Web, of which one is a message that came. */
int notice_read_evolution(const struct json_value *root, notice_fn on_notice, void *userdata) _must_check_;
int notice_read_waha(const struct json_value *root, notice_fn on_notice, void *userdata) _must_check_;
int notice_read_webjs(const struct json_value *root, notice_fn on_notice, void *userdata) _must_check_;
int notice_read_wppconnect(const struct json_value *root, notice_fn on_notice, void *userdata) _must_check_;

/* For these readers: what somebody typed, of which anything may be missing. */
struct typed {
    const char *gateway, *account;
    const char *chat, *suffix; /* digits and this suffix: an individual's chat */
    const char *text;
    const struct json_value *at_sec;
};

/* The notice of it; none where it is in a group, too long to be a word, or of a person who hides behind "@lid" and so has no number
 * that we could know. */
int notice_from_text(const struct typed *typed, notice_fn on_notice, void *userdata) _must_check_;

/* For the readers: copies the text without the space around it; false where it is empty or longer than a word can be. */
bool notice_word(const char *text, char ret[static NOTICE_DETAIL_BYTES + 1]) _must_check_;
