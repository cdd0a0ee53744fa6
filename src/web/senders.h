/* The senders whose webhooks are taken, with their secrets. Immutable; read anew as a whole. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "io/form.h"
#include "io/pg.h"

enum { SENDERS_MAX = 1000, SENDERS_SECRETS_MAX = 16 };

struct senders;

/* From herald.web_senders(). A secret that can't be had is a sentence of problem (a buf with a maximum), and its sender's
 * webhooks are refused; the others' are taken. */
int senders_load(const struct pg_result *rows, const char *credentials_dir, struct buf *problem, struct senders **ret) _must_check_;
struct senders *senders_free(struct senders *s);
DEFINE_CLEANUP(struct senders *, senders_free)

/* Whether this is the verify token of a Cloud API sender. */
bool senders_know_verify_token(const struct senders *s, const char *token);

/* The app whose secret signs the body, or -ENOENT; another negative errno: it could not be found out. */
int senders_find_app(const struct senders *s, const char *signature, const char *body, size_t size) _must_check_;

/* The same of the key that signs WAHA's webhooks. */
int senders_find_waha(const struct senders *s, const char *signature, const char *body, size_t size) _must_check_;

/* The group of senders with this webhook_secret, or -ENOENT. */
int senders_find_webhook(const struct senders *s, const char *secret) _must_check_;

/* The auth token that signs this form of Twilio's, for an account that the form names and the address that it was given, with the
 * echo in its query (NULL: there was none); or -ENOENT; another negative errno: it could not be found out. */
int senders_find_twilio(const struct senders *s, const char *signature, const struct form *form, const char *echo) _must_check_;

/* The name by which senders call the app or webhook secret. Borrowed. */
const char *senders_secret_name(const struct senders *s, int key);

/* Whether the gateway's account (a phone_number_id, a session) is one of those that the app or webhook secret is for. */
bool senders_have_account(const struct senders *s, int key, const char *gateway, const char *account);
