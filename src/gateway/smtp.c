/* Email, by a mail server that takes it: base_url smtp://HOST:587 (which has to offer STARTTLS, unless it is on this machine or in
 * a private network) or smtps://HOST:465.
 *
 * account: {"from": "alerts@example.org", "user": "alerts"}; the credential is the user's password, and there is none without user.
 *
 *   subject   of all mails; without it, the first line of each
 *   starttls  true: not without TLS, wherever the server is
 *
 * There is no idempotency key and no echo; our ID.ATTEMPT is in the Message-ID, which is what mail servers log. With it goes a hash
 * of recipient and text, since mailboxes drop what has an id that they know, and databases are restored and copied. What replies
 * mean: smtp_table.c. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "gateway/compose.h"
#include "gateway/gateway.h"
#include "gateway/media.h"
#include "gateway/mime.h"
#include "gateway/scrub.h"
#include "gateway/smtp_table.h"
#include "gateway/target.h"
#include "io/url.h"

enum {
    USER_BYTES_MAX = 512,
    CHECK_FAULT_BYTES = 2048,
    WORDS_BYTES_MAX = 2048,
};

/* --- the account --- */

static bool is_user(const char *user) {
    return user && *user && strlen(user) <= USER_BYTES_MAX && text_is_header_safe(user);
}

static int check_account(const struct sender *sender, struct buf *reterr) {
    const struct json_value *account = sender->account, *starttls = json_at(account, "starttls");
    const char *from = json_text_at(account, "from"), *user = json_text_at(account, "user");

    if (!from || !target_is_email(from)) {
        (void) buf_printf(reterr, "account: \"from\" is %s. It is the address that mails come from; an account is, for example, "
                          "{\"from\": \"alerts@example.org\", \"user\": \"alerts\"}.", from ? "not an email address" : "missing");
        return -EINVAL;
    }
    if (json_at(account, "user") && !is_user(user)) {
        (void) buf_append_string(reterr, "account: \"user\" is not a user's name. Correct it, or leave it out where the server "
                                 "wants no log-in.");
        return -EINVAL;
    }
    if (json_at(account, "subject") && text_is_blank(json_text_at(account, "subject"))) {
        (void) buf_append_string(reterr, "account: \"subject\" is empty or no text. Correct it, or leave it out for the first line "
                                 "of each message.");
        return -EINVAL;
    }
    if (starttls && json_type(starttls) != JSON_BOOL) {
        (void) buf_append_string(reterr, "account: \"starttls\" is neither true nor false.");
        return -EINVAL;
    }
    return 0;
}

static int check_password(const struct sender *sender, struct buf *reterr) {
    bool has_user = json_at(sender->account, "user"), has_password = sender->secret && *sender->secret;

    if (has_user && !has_password)
        (void) buf_append_string(reterr, "credential: no password. Store the password of \"user\" as a secret, and set the "
                                 "sender's credential to the secret's name, for example 'mail_password'.");
    else if (has_password && !has_user)
        (void) buf_append_string(reterr, "account: there is a credential, and \"user\" is missing. Say whose password it is, or "
                                 "take the credential out.");
    else if (has_password && !text_is_header_safe(sender->secret))
        (void) buf_append_string(reterr, "credential: the password holds a control character.");
    return buf_string(reterr)[0] ? -EINVAL : 0;
}

static int smtp_check(const struct sender *sender, struct buf *reterr) {
    const char *fault;

    if (check_account(sender, reterr) < 0)
        return -EINVAL;
    if (url_check_mail(sender->base_url, &fault) < 0) {
        (void) buf_printf(reterr, "base_url: the URL %s. It is the mail server, for example smtp://mail.example.org:587 or "
                          "smtps://mail.example.org:465.", fault);
        return -EINVAL;
    }
    return check_password(sender, reterr);
}

/* --- the request --- */

static uint64_t hash_text(uint64_t hash, const char *text) {
    for (const unsigned char *p = (const unsigned char *) text; *p; p++)
        hash = (hash ^ *p) * UINT64_C(0x100000001b3);
    return hash;
}

/* Made anew where it is needed: the same each time. */
static void write_id(const struct sender *sender, const struct message *m, char *ret, size_t ret_size) {
    uint64_t hash = hash_text(hash_text(UINT64_C(0xcbf29ce484222325), m->target), m->body);

    if (m->media)
        hash = hash_text(hash, json_text_at(m->media, "url"));
    (void) snprintf(ret, ret_size, "<%" PRId64 ".%" PRId64 ".%016" PRIx64 "@%s>", m->id, m->attempt_id, hash,
                    strrchr(json_text_at(sender->account, "from"), '@') + 1);
}

static int write_subject(const struct sender *sender, const char *text, struct buf *out) {
    const char *subject = json_text_at(sender->account, "subject");
    _cleanup_(buf_done) struct buf line = BUF_MAX(REQUEST_BODY_BYTES_MAX);
    int r = subject ? 0 : mime_append_first_line(&line, text);

    return r < 0 ? r : mime_append_header(out, "Subject", subject ? subject : buf_string(&line));
}

static int write_mail(const struct sender *sender, const struct message *m, const char *text, struct buf *out) {
    char id[OUTCOME_MESSAGE_ID_BYTES]; /* longer than the longest host allows */
    int r;

    write_id(sender, m, id, sizeof(id));
    r = buf_printf(out, "From: %s\r\nTo: %s\r\n", json_text_at(sender->account, "from"), m->target);
    if (r >= 0)
        r = write_subject(sender, text, out);
    if (r >= 0)
        r = buf_printf(out, "Message-ID: %s\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                       "Content-Transfer-Encoding: quoted-printable\r\nAuto-Submitted: auto-generated\r\n\r\n", id);
    return r < 0 ? r : mime_append_quoted(out, text);
}

static int write_envelope(const struct sender *sender, const struct message *m, struct request *request) {
    const char *user = json_text_at(sender->account, "user");
    struct envelope *e = &request->envelope;
    int r = buf_append_string(&request->url, sender->base_url);

    e->needs_tls = json_is_true_at(sender->account, "starttls");
    if (r >= 0)
        r = buf_append_string(&e->from, json_text_at(sender->account, "from"));
    if (r >= 0)
        r = buf_append_string(&e->to, m->target);
    if (r >= 0 && user)
        r = buf_append_string(&e->user, user);
    if (r >= 0 && user)
        r = buf_append_string(&e->password, sender->secret);
    return r;
}

/* 1, or 0 and the outcome. */
static int check_message(const struct message *m, struct outcome *ret) {
    struct media media;

    if (m->is_group)
        return compose_reject("email knows no groups; name a mailing list's address as an individual", ret);
    if (!target_is_email(m->target))
        return compose_reject("the target is not an email address", ret);
    return m->media ? media_read(m, &media, ret) : compose_check_text(m, "email", SIZE_MAX, ret);
}

/* Media are a link in the mail: what is behind it is fetched by who reads it, and by nobody else. */
static int write_text(const struct message *m, struct buf *out) {
    int r = buf_append_string(out, m->body);

    if (r >= 0 && m->media)
        r = buf_printf(out, "%s%s", *m->body ? "\n\n" : "", json_text_at(m->media, "url"));
    return r;
}

static int smtp_request(const struct sender *sender, const struct message *message, struct request *ret_request,
                        struct outcome *ret_outcome) {
    _cleanup_(buf_done) struct buf fault = BUF_MAX(CHECK_FAULT_BYTES), text = BUF_MAX(REQUEST_BODY_BYTES_MAX);
    int r;

    if (smtp_check(sender, &fault) < 0)
        return compose_incomplete(&fault, ret_outcome);
    if (check_message(message, ret_outcome) == 0)
        return 0;
    r = compose_head(write_envelope(sender, message, ret_request), ret_outcome);
    if (r <= 0)
        return r;
    r = write_text(message, &text);
    return compose_body(r < 0 ? r : write_mail(sender, message, buf_string(&text), &ret_request->body), ret_outcome);
}

/* --- the answer --- */

/* A reply's lines in one, without their codes and whatever may be an address: servers say whom they don't know. */
static int join_words(const char *text, struct buf *out) {
    int r = 0;

    while (*text && r >= 0) {
        size_t line = strcspn(text, "\n"), skip = line < 4 ? line : 4;

        for (const char *p = text + skip, *end = text + line; p < end && r >= 0;) {
            size_t size = strcspn(p, " \n");

            if (size > (size_t) (end - p))
                size = (size_t) (end - p);
            r = out->size > 0 ? buf_append_char(out, ' ') : 0;
            if (r >= 0)
                r = memchr(p, '@', size) ? buf_append_string(out, "[…]") : buf_append(out, p, size);
            p += size + (p + size < end);
        }
        text += line + (text[line] != '\0');
    }
    return r;
}

static void smtp_understand(const struct sender *sender, const struct message *message, const struct reply *reply,
                            struct outcome *ret_outcome) {
    _cleanup_(buf_done) struct buf text = BUF_MAX(WORDS_BYTES_MAX), joined = BUF_MAX(2 * WORDS_BYTES_MAX);
    char words[OUTCOME_REASON_BYTES], id[OUTCOME_MESSAGE_ID_BYTES];
    const struct outcome_rule *rule;

    (void) text_append_utf8(&text, reply->body ? reply->body : "", reply->body ? reply->body_size : 0, WORDS_BYTES_MAX);
    if (reply->stage == MAIL_END && reply->status / 100 == 2) {
        write_id(sender, message, id, sizeof(id));
        if (outcome_accept(ret_outcome, reply->status, id))
            return;
    }
    (void) join_words(buf_string(&text), &joined);
    scrub_text(buf_string(&joined), joined.size, sender, message, words, sizeof(words));
    rule = outcome_match(smtp_table(reply->stage), reply, smtp_enhanced_code(buf_string(&text)), NULL);
    outcome_set(ret_outcome, rule->kind, rule->scope, rule->wait_sec, reply->status, "%s (SMTP %d)%s%s", rule->meaning,
                reply->status, *words ? ": " : "", words);
}

const struct gateway gateway_smtp = {
    .name = "smtp",
    .check = smtp_check,
    .request = smtp_request,
    .understand = smtp_understand,
};
