/* By RFC 5321's codes and RFC 3463's enhanced ones, and by what the reply is about: the same 550 means that we are not wanted, that
 * account.from is not, that the recipient does not exist, or that the mail was read and refused.
 *
 * A reply that begins with 4 or 5 says that the mail was not taken, even to its end. */
#include "gateway/smtp_table.h"

#include <stdbool.h>

#define ENHANCED(class, subject, detail) ((class) * 1000000 + (subject) * 1000 + (detail))
#define CODE(class, subject, detail) \
    .code_min = ENHANCED(class, subject, detail), .code_max = ENHANCED(class, subject, detail)
#define SUBJECT(class, subject) .code_min = ENHANCED(class, subject, 0), .code_max = ENHANCED(class, subject, 999)
#define WAIT(s, seconds) .kind = OUTCOME_WAIT, .scope = SCOPE_##s, .wait_sec = (seconds)
#define AGAIN WAIT(MESSAGE, WAIT_BY_BACKOFF)
#define REJECTED .kind = OUTCOME_REJECTED

enum {
    AUTH_SEC = 60,
    GREYLIST_SEC = 5 * 60, /* servers want to see a stranger again after some minutes */
    CONFIGURATION_SEC = 10 * 60,
    HOUR_SEC = 60 * 60,
};

/* What means the same in each of them. */
#define CLOSING {.status = 421, WAIT(SENDER, WAIT_BY_BACKOFF), .meaning = "the mail server is closing, or too busy"}
#define NO_ROOM {.status = 452, WAIT(SENDER, WAIT_BY_BACKOFF), .meaning = "the mail server has no room for now"}
#define LOG_IN                                                                                                                   \
    {.status = 530, WAIT(SENDER, AUTH_SEC),                                                                                      \
     .meaning = "the mail server wants a log-in, or TLS; set account.user and the credential, or account.starttls"},             \
    {.status = 535, WAIT(SENDER, AUTH_SEC),                                                                                      \
     .meaning = "user or password were refused; renew the credential, or correct account.user"}
#define MISUNDERSTOOD                                                                                                            \
    {.status = 500, WAIT(SENDER, CONFIGURATION_SEC), .meaning = "the mail server does not understand; check base_url"},          \
    {.status = 502, WAIT(SENDER, CONFIGURATION_SEC), .meaning = "the mail server does not understand; check base_url"},          \
    {.status = 503, WAIT(SENDER, CONFIGURATION_SEC), .meaning = "the mail server does not understand; check base_url"},          \
    {.status = 504, WAIT(SENDER, CONFIGURATION_SEC), .meaning = "the mail server does not understand; check base_url"}
/* Nothing of the mail was sent. */
#define OUT_OF_TURN {WAIT(SENDER, WAIT_BY_BACKOFF), .meaning = "the mail server answered out of turn"}

static const struct outcome_rule login[] = {
    CLOSING,
    LOG_IN,
    {.status = 454, WAIT(SENDER, WAIT_BY_BACKOFF), .meaning = "the mail server can't check the log-in, or use TLS, for now"},
    {.status = 534, WAIT(SENDER, AUTH_SEC), .meaning = "the mail server wants another way to log in, or another password"},
    {.status = 538, WAIT(SENDER, AUTH_SEC), .meaning = "the mail server wants TLS before a log-in; set account.starttls"},
    {.status = 4, WAIT(SENDER, WAIT_BY_BACKOFF), .meaning = "the mail server takes nothing for now"},
    {.status = 5, WAIT(SENDER, CONFIGURATION_SEC), .meaning = "the mail server refused us; check base_url"},
    OUT_OF_TURN,
};

static const struct outcome_rule from[] = {
    CLOSING,
    LOG_IN,
    NO_ROOM,
    MISUNDERSTOOD,
    {CODE(5, 3, 4), REJECTED, .meaning = "the mail is too large"},
    {.status = 552, REJECTED, .meaning = "the mail is too large"},
    {.status = 4, WAIT(SENDER, WAIT_BY_BACKOFF), .meaning = "the mail server does not take account.from for now"},
    {.status = 5, WAIT(SENDER, CONFIGURATION_SEC), .meaning = "the mail server does not take account.from; correct it"},
    OUT_OF_TURN,
};

static const struct outcome_rule to[] = {
    CLOSING,
    LOG_IN,
    MISUNDERSTOOD,
    {.status = 4, CODE(4, 2, 2), WAIT(RECIPIENT, HOUR_SEC), .meaning = "the mailbox is full"},
    {.status = 452, CODE(4, 5, 3), AGAIN, .meaning = "too many recipients for now"},
    NO_ROOM,
    {.status = 4, WAIT(MESSAGE, GREYLIST_SEC), .meaning = "the recipient's address is not taken for now"},
    {.status = 5, .holds = "relay", WAIT(SENDER, CONFIGURATION_SEC),
     .meaning = "the mail server passes nothing on for us; set account.user and the credential"},
    {.status = 5, CODE(5, 2, 2), REJECTED, .meaning = "the mailbox is full"},
    {.status = 5, CODE(5, 2, 1), REJECTED, .meaning = "the mailbox is switched off"},
    {.status = 5, SUBJECT(5, 7), REJECTED, .meaning = "the recipient's server does not want mail from us"},
    {.status = 552, REJECTED, .meaning = "the mailbox is full"},
    {.status = 554, REJECTED, .meaning = "the mail server refused the recipient"},
    {.status = 5, REJECTED, .meaning = "there is no such mailbox"},
    OUT_OF_TURN,
};

static const struct outcome_rule data[] = {
    CLOSING,
    LOG_IN,
    NO_ROOM,
    MISUNDERSTOOD,
    {.status = 4, AGAIN, .meaning = "the mail server does not take the mail for now"},
    {.status = 552, REJECTED, .meaning = "the mail is too large"},
    {.status = 5, REJECTED, .meaning = "the mail server refused the mail before it was sent"},
    OUT_OF_TURN,
};

static const struct outcome_rule whole[] = {
    CLOSING,
    LOG_IN,
    NO_ROOM,
    {.status = 4, .holds = "greylist", WAIT(MESSAGE, GREYLIST_SEC), .meaning = "the mail server wants to see it again later"},
    {.status = 4, CODE(4, 2, 2), WAIT(RECIPIENT, HOUR_SEC), .meaning = "the mailbox is full"},
    {.status = 4, AGAIN, .meaning = "the mail server could not take the mail for now"},
    {.status = 5, CODE(5, 1, 1), REJECTED, .meaning = "there is no such mailbox"},
    {.status = 5, CODE(5, 2, 2), REJECTED, .meaning = "the mailbox is full"},
    {.status = 5, CODE(5, 3, 4), REJECTED, .meaning = "the mail is too large"},
    {.status = 552, REJECTED, .meaning = "the mail is too large"},
    {.status = 5, REJECTED, .meaning = "the mail server read the mail and refused it"},
    {.kind = OUTCOME_IN_DOUBT, .meaning = "an answer that says neither yes nor no"},
};

const struct outcome_rule *smtp_table(enum mail_stage stage) {
    switch (stage) {
    case MAIL_LOGIN: return login;
    case MAIL_FROM: return from;
    case MAIL_TO: return to;
    case MAIL_DATA: return data;
    case MAIL_END: return whole;
    }
    return whole; /* the one that claims least */
}

/* A number of one to three digits; where it ends, or NULL. */
static const char *read_number(const char *text, int64_t *ret) {
    size_t digits = 0;

    *ret = 0;
    while (text[digits] >= '0' && text[digits] <= '9' && digits < 4)
        *ret = *ret * 10 + (text[digits++] - '0');
    return digits >= 1 && digits <= 3 ? text + digits : NULL;
}

int64_t smtp_enhanced_code(const char *text) {
    int64_t code, class, subject, detail;

    text = read_number(text, &code);
    if (!text || (*text != ' ' && *text != '-'))
        return OUTCOME_CODE_NONE;
    text = read_number(text + 1, &class);
    if (!text || *text != '.')
        return OUTCOME_CODE_NONE;
    text = read_number(text + 1, &subject);
    if (!text || *text != '.')
        return OUTCOME_CODE_NONE;
    text = read_number(text + 1, &detail);
    return text && class <= 5 ? ENHANCED(class, subject, detail) : OUTCOME_CODE_NONE;
}
