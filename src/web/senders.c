#include "web/senders.h"

#include <errno.h>
#include <string.h>

#include "gateway/twilio_callback.h"
#include "io/hmac.h"
#include "io/request.h"
#include "io/secret.h"
#include "web/receipt.h"
#include "web/signature.h"

enum { WEBHOOK_SECRET_BYTES_MIN = 16 };

enum key_kind { KEY_APP, KEY_VERIFY, KEY_WEBHOOK, KEY_WAHA, KEY_TWILIO, KEY_KINDS };

/* A secret, under the name that senders call it by; several may share one. */
struct key {
    enum key_kind kind;
    char *name;
    struct secret *secret; /* NULL: it can't be had */
};

struct entry {
    char *gateway, *account;
    char *callback; /* where Twilio calls back; NULL: another gateway */
    int key;        /* index */
};

struct senders {
    struct key keys[KEY_KINDS * SENDERS_SECRETS_MAX];
    int key_count;
    struct entry *entries;
    size_t entry_count;
};

/* The columns of herald.web_senders(). */
enum {
    COLUMN_SENDER,
    COLUMN_GATEWAY,
    COLUMN_ACCOUNT,
    COLUMN_APP_SECRET,
    COLUMN_VERIFY_TOKEN,
    COLUMN_WEBHOOK_SECRET,
    COLUMN_CALLBACK,
};

struct senders *senders_free(struct senders *s) {
    if (!s)
        return NULL;
    for (int i = 0; i < s->key_count; i++) {
        free(s->keys[i].name);
        secret_free(s->keys[i].secret);
    }
    for (size_t i = 0; i < s->entry_count; i++) {
        free(s->entries[i].gateway);
        free(s->entries[i].account);
        free(s->entries[i].callback);
    }
    free(s->entries);
    free(s);
    return NULL;
}

/* The index of the key of that kind and name, which is loaded where it is new; -1 where there can be no more. */
static int add_key(struct senders *s, enum key_kind kind, const char *sender, const char *name, const char *credentials_dir,
                   struct buf *problem) {
    _cleanup_(buf_done) struct buf reason = BUF_MAX(1024);
    struct key *key;
    int r, of_kind = 0;

    for (int i = 0; i < s->key_count; i++) {
        if (s->keys[i].kind == kind && strcmp(s->keys[i].name, name) == 0)
            return i;
        of_kind += s->keys[i].kind == kind;
    }
    if (of_kind == SENDERS_SECRETS_MAX) {
        (void) buf_printf(problem, "%ssender \"%s\": more than %d secrets of one kind are not taken",
                          problem->size > 0 ? "; " : "", sender, SENDERS_SECRETS_MAX);
        return -1;
    }
    key = &s->keys[s->key_count];
    *key = (struct key) {.kind = kind, .name = strdup(name)};
    if (!key->name)
        return -ENOMEM;
    s->key_count++;
    r = secret_load(name, credentials_dir, &key->secret, &reason);
    if (r == -ENOMEM)
        return r;
    if (r < 0)
        (void) buf_printf(problem, "%ssender \"%s\": %s", problem->size > 0 ? "; " : "", sender, buf_string(&reason));
    else if ((kind == KEY_WEBHOOK || kind == KEY_WAHA) && strlen(secret_reveal(key->secret)) < WEBHOOK_SECRET_BYTES_MIN) {
        key->secret = secret_free(key->secret);
        (void) buf_printf(problem, "%ssender \"%s\": its webhook_secret is shorter than %d letters, and might be guessed",
                          problem->size > 0 ? "; " : "", sender, WEBHOOK_SECRET_BYTES_MIN);
    }
    return s->key_count - 1;
}

static enum key_kind kind_of(const char *gateway) {
    static const struct {
        const char *gateway;
        enum key_kind kind;
    } kinds[] = {{"cloud", KEY_APP}, {"twilio", KEY_TWILIO}, {"waha", KEY_WAHA}};

    for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
        if (strcmp(gateway, kinds[i].gateway) == 0)
            return kinds[i].kind;
    return KEY_WEBHOOK;
}

static int add_sender(struct senders *s, const struct pg_result *rows, size_t row, const char *credentials_dir,
                      struct buf *problem) {
    const char *sender = pg_text(rows, row, COLUMN_SENDER), *gateway = pg_text(rows, row, COLUMN_GATEWAY);
    const char *account = pg_text(rows, row, COLUMN_ACCOUNT), *verify = pg_text(rows, row, COLUMN_VERIFY_TOKEN);
    const char *callback = pg_text(rows, row, COLUMN_CALLBACK);
    bool is_cloud = strcmp(gateway, "cloud") == 0, is_twilio = strcmp(gateway, "twilio") == 0;
    const char *name = pg_text(rows, row, is_cloud ? COLUMN_APP_SECRET : COLUMN_WEBHOOK_SECRET);
    int key = -1;

    if (is_cloud && verify && add_key(s, KEY_VERIFY, sender, verify, credentials_dir, problem) == -ENOMEM)
        return -ENOMEM;
    if (!account || !name)
        return 0;
    if (is_twilio && !callback) {
        (void) buf_printf(problem, "%ssender \"%s\": it has a webhook_secret and no status_callback, so Twilio tells nothing",
                          problem->size > 0 ? "; " : "", sender);
        return 0;
    }
    key = add_key(s, kind_of(gateway), sender, name, credentials_dir, problem);
    if (key < 0)
        return key == -ENOMEM ? key : 0;
    struct entry *e = &s->entries[s->entry_count++];
    *e = (struct entry) {
        .gateway = strdup(gateway), .account = strdup(account), .callback = is_twilio ? strdup(callback) : NULL, .key = key};
    return e->gateway && e->account && (e->callback || !is_twilio) ? 0 : -ENOMEM;
}

int senders_load(const struct pg_result *rows, const char *credentials_dir, struct buf *problem, struct senders **ret) {
    _cleanup_(senders_freep) struct senders *s = calloc(1, sizeof(*s));
    size_t n = pg_rows(rows) < SENDERS_MAX ? pg_rows(rows) : SENDERS_MAX;

    if (!s)
        return -ENOMEM;
    s->entries = calloc(n > 0 ? n : 1, sizeof(*s->entries));
    if (!s->entries)
        return -ENOMEM;
    for (size_t row = 0; row < n; row++) {
        int r = add_sender(s, rows, row, credentials_dir, problem);

        if (r < 0)
            return r;
    }
    *ret = TAKE_PTR(s);
    return 0;
}

bool senders_know_verify_token(const struct senders *s, const char *token) {
    bool is_known = false;

    for (int i = 0; i < s->key_count; i++)
        if (s->keys[i].kind == KEY_VERIFY && s->keys[i].secret && hmac_texts_equal(secret_reveal(s->keys[i].secret), token))
            is_known = true;
    return is_known;
}

typedef int (*check_fn)(const char *header, const char *secret, const char *body, size_t size);

static int find_signer(const struct senders *s, enum key_kind kind, check_fn check, const char *signature, const char *body,
                       size_t size) {
    for (int i = 0; i < s->key_count; i++) {
        if (s->keys[i].kind != kind || !s->keys[i].secret)
            continue;
        int r = check(signature, secret_reveal(s->keys[i].secret), body, size);

        if (r != 0)
            return r < 0 ? r : i;
    }
    return -ENOENT;
}

int senders_find_app(const struct senders *s, const char *signature, const char *body, size_t size) {
    return find_signer(s, KEY_APP, signature_check, signature, body, size);
}

int senders_find_waha(const struct senders *s, const char *signature, const char *body, size_t size) {
    return find_signer(s, KEY_WAHA, signature_check_sha512, signature, body, size);
}

int senders_find_webhook(const struct senders *s, const char *secret) {
    int found = -ENOENT;

    for (int i = 0; i < s->key_count; i++)
        if (s->keys[i].kind == KEY_WEBHOOK && s->keys[i].secret && hmac_texts_equal(secret_reveal(s->keys[i].secret), secret))
            found = i;
    return found;
}

/* The address as Twilio was given it: only we and Twilio know it as it was signed, whatever proxies have made of it since. */
static int write_callback(const struct entry *e, const char *echo, struct buf *out) {
    struct receipt ids = {0};

    receipt_read_echo(echo, &ids);
    return ids.id > 0 ? twilio_write_callback(out, e->callback, ids.id, ids.attempt_id) : buf_append_string(out, e->callback);
}

static int is_signed(const struct entry *e, const char *token, const char *signature, const struct form *form, const char *echo) {
    _cleanup_(buf_done) struct buf url = BUF_MAX(REQUEST_URL_BYTES_MAX);
    char ours[TWILIO_SIGNATURE_BYTES];
    int r = write_callback(e, echo, &url);

    if (r >= 0)
        r = twilio_sign(token, buf_string(&url), form, ours);
    return r == -EMSGSIZE ? 0 : r < 0 ? r : hmac_texts_equal(ours, signature);
}

int senders_find_twilio(const struct senders *s, const char *signature, const struct form *form, const char *echo) {
    const char *account = form_value(form, "AccountSid");

    for (size_t i = 0; signature && account && i < s->entry_count; i++) {
        const struct entry *e = &s->entries[i];
        const struct key *key = &s->keys[e->key];

        if (key->kind != KEY_TWILIO || !key->secret || strcmp(e->account, account) != 0)
            continue;
        int r = is_signed(e, secret_reveal(key->secret), signature, form, echo);

        if (r != 0)
            return r < 0 ? r : e->key;
    }
    return -ENOENT;
}

const char *senders_secret_name(const struct senders *s, int key) {
    return s->keys[key].name;
}

bool senders_have_account(const struct senders *s, int key, const char *gateway, const char *account) {
    for (size_t i = 0; i < s->entry_count; i++) {
        const struct entry *e = &s->entries[i];

        if (e->key == key && strcmp(e->gateway, gateway) == 0 && strcmp(e->account, account) == 0)
            return true;
    }
    return false;
}
