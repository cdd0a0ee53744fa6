/* By Twilio's own codes; the HTTP status counts where there is none, or one that is not documented.
 *
 *  - The account, its number or its messaging service: the sender waits. So does one that is throttled or out of room.
 *  - A region that is not switched on, a number that a trial account does not know, and one that has not joined a sandbox wait as
 *    recipients: others can be sent to.
 *  - What the recipient's network says for now (unreachable, an error of the channel) is tried again.
 *  - A number that can't get messages or wants none, and a text or template that is not taken: rejected.
 *
 * Most of the 30xxx and 63xxx come with a status callback, after the message was taken; an answer may have them too. */
#include "gateway/twilio_table.h"

#define CODE(c) .code_min = (c), .code_max = (c)
#define CODES(from, to) .code_min = (from), .code_max = (to)
#define WAIT(s, seconds) .kind = OUTCOME_WAIT, .scope = SCOPE_##s, .wait_sec = (seconds)
#define AGAIN WAIT(MESSAGE, WAIT_BY_BACKOFF)
#define REJECTED .kind = OUTCOME_REJECTED
#define IN_DOUBT .kind = OUTCOME_IN_DOUBT

enum {
    AUTH_SEC = 60,
    CONFIGURATION_SEC = 10 * 60,
    HOUR_SEC = 60 * 60,
    HOURS_SEC = 6 * 60 * 60,
};

static const struct outcome_rule codes[] = {
    /* The credential and the account. */
    {CODE(20003), WAIT(SENDER, AUTH_SEC), .meaning = "the credential was refused; renew it, or correct account_sid"},
    {CODE(20005), WAIT(SENDER, HOURS_SEC), .meaning = "the account is not active; see the Twilio console"},
    {CODE(20006), WAIT(SENDER, AUTH_SEC), .meaning = "access denied; check the credential's rights"},
    {CODE(20008), WAIT(SENDER, CONFIGURATION_SEC), .meaning = "test credentials can't send; use the live ones"},
    {CODE(20403), WAIT(SENDER, AUTH_SEC), .meaning = "access denied; check the credential's rights"},
    {CODE(20404), WAIT(SENDER, CONFIGURATION_SEC), .meaning = "no such account; correct account_sid and base_url"},
    {CODE(30002), WAIT(SENDER, HOURS_SEC), .meaning = "the account is suspended; see the Twilio console"},
    {CODE(63051), WAIT(SENDER, HOURS_SEC), .meaning = "WhatsApp has locked the business account; see the WhatsApp Manager"},

    /* Throttles. */
    {CODE(20429), WAIT(SENDER, WAIT_BY_BACKOFF), .meaning = "too many requests; lower the sender's limits"},
    {CODE(14107), WAIT(SENDER, WAIT_BY_BACKOFF), .meaning = "the number's rate limit is reached; lower the sender's limits"},
    {CODE(21611), WAIT(SENDER, WAIT_BY_BACKOFF), .meaning = "the number's queue is full; lower the sender's limits"},
    {CODE(30001), WAIT(SENDER, WAIT_BY_BACKOFF), .meaning = "the number's queue is full; lower the sender's limits"},
    {CODE(30022), WAIT(SENDER, 60), .meaning = "the campaign's rate limit is reached; lower the sender's limits"},
    {CODE(30023), WAIT(SENDER, HOURS_SEC), .meaning = "the brand's daily limit is reached"},
    {CODE(63018), WAIT(SENDER, 60), .meaning = "the channel's rate limit is reached; lower the sender's limits"},
    {CODE(63038), WAIT(SENDER, HOURS_SEC), .meaning = "the account's daily limit is reached"},

    /* Configuration. */
    {CODE(21212), WAIT(SENDER, CONFIGURATION_SEC), .meaning = "account.from is no number of this account; correct it"},
    {CODE(21603), WAIT(SENDER, CONFIGURATION_SEC), .meaning = "account.from is missing"},
    {CODE(21606), WAIT(SENDER, CONFIGURATION_SEC), .meaning = "account.from can't send messages; correct it"},
    {CODE(21609), WAIT(SENDER, CONFIGURATION_SEC), .meaning = "account.status_callback is not a URL that Twilio can call"},
    {CODES(21659, 21661), WAIT(SENDER, CONFIGURATION_SEC), .meaning = "account.from is no number of this account that can send"},
    {CODES(21701, 21705), WAIT(SENDER, CONFIGURATION_SEC), .meaning = "the messaging service is unknown, or has no number"},
    {CODE(30024), WAIT(SENDER, CONFIGURATION_SEC), .meaning = "the number is not provisioned on the carrier's network"},
    {CODE(30032), WAIT(SENDER, CONFIGURATION_SEC), .meaning = "the toll-free number is not verified; verify it"},
    {CODE(30034), WAIT(SENDER, CONFIGURATION_SEC), .meaning = "the number is not registered for A2P 10DLC; register it"},
    {CODES(63001, 63002), WAIT(SENDER, CONFIGURATION_SEC), .meaning = "the channel does not know the sender; correct account.from"},
    {CODES(63007, 63008), WAIT(SENDER, CONFIGURATION_SEC), .meaning = "there is no channel for account.from; correct it"},
    {CODE(63020), WAIT(SENDER, CONFIGURATION_SEC), .meaning = "the business account has a problem; see the WhatsApp Manager"},
    {CODE(63022), WAIT(SENDER, CONFIGURATION_SEC), .meaning = "the number's registration or certificate is wrong; register it"},
    {CODE(21408), WAIT(RECIPIENT, HOUR_SEC), .meaning = "the recipient's region is not switched on; see Geo Permissions"},
    {CODE(21608), WAIT(RECIPIENT, HOUR_SEC), .meaning = "a trial account sends to verified numbers only; verify it, or upgrade"},
    {CODE(63015), WAIT(RECIPIENT, HOUR_SEC), .meaning = "the recipient has not joined Twilio's WhatsApp sandbox"},

    /* For now. */
    {CODE(20500), AGAIN, .meaning = "an error at Twilio"},
    {CODE(20503), AGAIN, .meaning = "the service is unavailable"},
    {CODE(30003), AGAIN, .meaning = "the recipient's telephone can't be reached"},
    {CODE(30008), AGAIN, .meaning = "an unknown error of the recipient's network"},
    {CODE(30410), AGAIN, .meaning = "the recipient's network did not answer in time"},
    {CODES(63009, 63010), AGAIN, .meaning = "an error of the channel"},
    {CODE(63012), AGAIN, .meaning = "an internal error of the channel"},

    /* The recipient. */
    {CODE(21211), REJECTED, .meaning = "the recipient's number is not valid"},
    {CODE(21217), REJECTED, .meaning = "the recipient's number is not valid"},
    {CODE(21604), REJECTED, .meaning = "the recipient is missing"},
    {CODE(TWILIO_CODE_OPTED_OUT), REJECTED, .scope = SCOPE_RECIPIENT,
     .meaning = "the recipient has answered STOP, and wants no more messages"},
    {CODE(21612), REJECTED, .meaning = "the recipient can't be reached from this number"},
    {CODE(21614), REJECTED, .meaning = "the recipient's number is no mobile number"},
    {CODE(30004), REJECTED, .meaning = "the recipient blocks messages"},
    {CODE(30005), REJECTED, .meaning = "the recipient's number is unknown"},
    {CODE(30006), REJECTED, .meaning = "the recipient's number is a landline, or its carrier can't be reached"},
    {CODE(63003), REJECTED, .meaning = "the recipient is not on WhatsApp"},
    {CODE(63014), REJECTED, .meaning = "the recipient blocks messages"},
    {CODE(63024), REJECTED, .meaning = "the recipient can't get messages from this sender"},
    {CODE(63031), REJECTED, .meaning = "the recipient is the sender's own number"},
    {CODE(63032), REJECTED, .meaning = "withheld: the recipient is part of an experiment of WhatsApp"},
    {CODE(63033), REJECTED, .meaning = "the recipient does not take messages from this sender"},
    {CODE(63049), REJECTED, .meaning = "withheld: the recipient gets no more marketing for now; do not repeat it within a day"},

    /* The message. */
    {CODE(21602), REJECTED, .meaning = "the text is missing"},
    {CODE(21605), REJECTED, .meaning = "the text is too long"},
    {CODE(21617), REJECTED, .meaning = "the text is longer than 1600 characters"},
    {CODE(21619), REJECTED, .meaning = "the text is missing"},
    {CODE(30007), REJECTED, .meaning = "filtered by the carrier or Twilio; change the text"},
    {CODE(30010), REJECTED, .meaning = "the price is above the account's maximum"},
    {CODES(63005, 63006), REJECTED, .meaning = "the channel does not take this content"},
    {CODE(63013), REJECTED, .meaning = "the message breaks the channel's rules"},
    {CODE(63016), REJECTED, .meaning = "more than 24 hours since the recipient wrote; send it as a template"},
    {CODE(63019), REJECTED, .meaning = "the media could not be fetched"},
    {CODE(63021), REJECTED, .meaning = "the channel does not take this content; a text may have 1024 characters there"},

    /* The template. */
    {CODE(21654), REJECTED, .meaning = "the ContentSid is missing"},
    {CODE(21655), REJECTED, .meaning = "the ContentSid is not known; correct herald.templates.gateway_name"},
    {CODE(21656), REJECTED, .meaning = "the template's parameters have a form that is not allowed"},
    {CODE(63027), REJECTED, .meaning = "no approved template in this language; check gateway_name"},
    {CODE(63028), REJECTED, .meaning = "the template has another number of parameters; correct herald.templates.parameters"},
    {CODES(63029, 63030), REJECTED, .meaning = "the template or a parameter of it is not taken"},
    {CODE(63040), REJECTED, .meaning = "WhatsApp has rejected the template; use another"},
    {CODE(63041), WAIT(TEMPLATE, HOUR_SEC), .meaning = "the template is paused for its quality, until WhatsApp reinstates it"},
    {CODE(63042), REJECTED, .meaning = "the template is disabled; use another"},

    {.meaning = NULL}, /* not a documented code */
};

static const struct outcome_rule unknown[] = {
    {.status = 5, AGAIN, .meaning = "a fault at Twilio"},
    {.status = 401, WAIT(SENDER, AUTH_SEC), .meaning = "the credential was refused; renew it, or correct account_sid"},
    {.status = 403, WAIT(SENDER, AUTH_SEC), .meaning = "not permitted; check the credential's rights"},
    {.status = 404, WAIT(SENDER, CONFIGURATION_SEC), .meaning = "not found; correct account_sid and base_url"},
    {.status = 429, WAIT(SENDER, WAIT_BY_BACKOFF), .meaning = "too many requests; lower the sender's limits"},
    {.status = 3, WAIT(SENDER, CONFIGURATION_SEC), .meaning = "redirected, which is not followed; correct base_url"},
    {.status = 4, AGAIN, .meaning = "Twilio refused it with an error that is not documented"},
    {IN_DOUBT, .meaning = "an error in an answer that says neither yes nor no"},
};

/* A proxy's 502 and 504 (and the 520 and 524 of one provider) mean that it passed the request on and understood no answer, or
 * got none in time: Twilio may have taken it. Its 503 and the other 5xx mean that it found nobody to pass it on to. */
static const struct outcome_rule wordless[] = {
    {.status = 502, IN_DOUBT, .meaning = "a proxy passed the request on and could not read the answer"},
    {.status = 504, IN_DOUBT, .meaning = "a proxy passed the request on and got no answer in time"},
    {.status = 5, IN_DOUBT, .meaning = "a server on the way failed, perhaps after it had passed the request on"},
    {.status = 401, WAIT(SENDER, AUTH_SEC), .meaning = "the credential was refused; renew it, or correct account_sid"},
    {.status = 403, WAIT(SENDER, AUTH_SEC), .meaning = "not permitted; check base_url and the credential's rights"},
    {.status = 407, WAIT(SENDER, CONFIGURATION_SEC), .meaning = "a proxy wants a log-in; check base_url"},
    {.status = 408, AGAIN, .meaning = "a server on the way did not get the whole request in time"},
    {.status = 413, REJECTED, .meaning = "the request is too large"},
    {.status = 429, WAIT(SENDER, WAIT_BY_BACKOFF), .meaning = "too many requests; lower the sender's limits"},
    {.status = 4, WAIT(SENDER, CONFIGURATION_SEC), .meaning = "this is not Twilio's answer; check base_url"},
    {.status = 3, WAIT(SENDER, CONFIGURATION_SEC), .meaning = "redirected, which is not followed; correct base_url"},
    {IN_DOUBT, .meaning = "an answer that can't be understood"},
};

static const struct outcome_rule failed[] = {
    {REJECTED, .meaning = "Twilio took the message, and it had failed at once"},
};

static const struct outcome_rule *look_up(const struct reply *reply, int64_t code, const struct outcome_rule *otherwise) {
    return outcome_match(codes, reply, code, NULL)->meaning ? codes : otherwise;
}

const struct outcome_rule *twilio_table(const struct reply *reply, int64_t code) {
    return look_up(reply, code, code == OUTCOME_CODE_NONE ? wordless : unknown);
}

const struct outcome_rule *twilio_failed_table(const struct reply *reply, int64_t code) {
    return look_up(reply, code, failed);
}

const char *twilio_meaning(int64_t code) {
    return outcome_match(codes, &(struct reply) {0}, code, NULL)->meaning;
}
