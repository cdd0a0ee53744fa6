/* The Cloud API says what went wrong in error.code, and only there: the same throttle comes as 400 or 429, and a missing
 * permission as 500. So the tables are asked in this order, and the HTTP status is asked last:
 *
 *   codes       every code that is documented, whatever the status
 *   transient   another code, and the API itself calls it transient
 *   unknown     another code, by the status
 *   wordless    no word of the API at all: a proxy's page, or a base_url that leads elsewhere
 *
 * How the documented remedies became outcomes:
 *  - Throttles and locks of the account, the number or the token are the sender's; they cost no message an attempt.
 *  - What a person may mend (a token, a payment, a registration) makes the sender wait as well: a probe now and then finds it
 *    mended.
 *  - A template that is paused, still syncing or out of service for now makes the template wait, and so does what a person mends
 *    for all of its messages: a wrong name or language, another number of parameters. One that is disabled, against the rules, or
 *    given values that it does not take, will not take this message: rejected.
 *  - A recipient outside a test number's list, and a suspended group, wait as recipients: others can be sent to.
 *  - Other 4xx codes are tried again, and fail after max_attempts. */
#include "gateway/cloud_table.h"

#define CODE(c) .code_min = (c), .code_max = (c)
#define CODES(from, to) .code_min = (from), .code_max = (to)
#define AGAIN WAIT(MESSAGE, WAIT_BY_BACKOFF)
#define REJECTED .kind = OUTCOME_REJECTED
#define IN_DOUBT .kind = OUTCOME_IN_DOUBT

enum {
    AUTH_SEC = 60,
    CONFIGURATION_SEC = 10 * 60,
    MINUTES_SEC = 5 * 60,
    HOUR_SEC = 60 * 60,
    HOURS_SEC = 6 * 60 * 60,
};

static const struct outcome_rule codes[] = {
    /* The token and its rights. */
    {CODE(OUTCOME_CODE_ZERO), WAIT(SENDER, AUTH_SEC), .meaning = "the access token is invalid or expired; renew the credential"},
    {CODE(190), WAIT(SENDER, AUTH_SEC), .meaning = "the access token has expired or was revoked; renew the credential"},
    {CODE(3), WAIT(SENDER, AUTH_SEC), .meaning = "the app lacks a capability or permission; grant whatsapp_business_messaging"},
    {CODE(10), WAIT(SENDER, AUTH_SEC), .meaning = "the permission is missing; grant whatsapp_business_messaging to the token"},
    {CODES(200, 299), WAIT(SENDER, AUTH_SEC), .meaning = "no token or a missing permission; check the credential's rights"},
    {CODE(131005), WAIT(SENDER, AUTH_SEC), .meaning = "access denied; check the credential's rights"},

    /* Throttles. */
    {CODE(4), WAIT(SENDER, MINUTES_SEC), .meaning = "the app's hourly call limit is reached"},
    {CODE(80007), WAIT(SENDER, MINUTES_SEC), .meaning = "the business account's rate limit is reached"},
    {CODE(130429), WAIT(SENDER, 5), .meaning = "the number's throughput limit is reached; lower the sender's limits"},
    {CODE(131056), WAIT(RECIPIENT, WAIT_BY_BACKOFF), .meaning = "too many messages to this recipient in a short time"},
    {CODE(17), WAIT(SENDER, MINUTES_SEC), .meaning = "the user's call limit is reached"},
    {CODE(341), WAIT(SENDER, MINUTES_SEC), .meaning = "the application's call limit is reached"},
    {CODE(613), WAIT(SENDER, MINUTES_SEC), .meaning = "a call limit is reached"},
    {CODE(133016), WAIT(SENDER, HOUR_SEC), .meaning = "the number was registered or deregistered too often; let it rest"},

    /* Restrictions that WhatsApp or a person lifts. */
    {CODE(131048), WAIT(SENDER, HOURS_SEC), .meaning = "the number is restricted for spam or quality; see the WhatsApp Manager"},
    {CODE(131064), WAIT(SENDER, HOURS_SEC), .meaning = "the account is limited after templates of the wrong category; see the "
                                                       "WhatsApp Manager"},
    {CODE(368), WAIT(SENDER, HOURS_SEC), .meaning = "the account is restricted for a policy violation; see the WhatsApp Manager"},
    {CODE(131031), WAIT(SENDER, HOURS_SEC), .meaning = "the account is locked; see the WhatsApp Manager"},
    {CODE(131042), WAIT(SENDER, HOUR_SEC), .meaning = "a payment problem; mend the account's billing"},

    /* Configuration. */
    {CODE(33), WAIT(SENDER, CONFIGURATION_SEC), .meaning = "the phone number id is unknown or deleted; correct phone_number_id"},
    {CODE(131037), WAIT(SENDER, CONFIGURATION_SEC), .meaning = "the number lacks an approved display name"},
    {CODE(131045), WAIT(SENDER, CONFIGURATION_SEC), .meaning = "the number's registration or certificate is wrong; register it"},
    {CODE(133010), WAIT(SENDER, CONFIGURATION_SEC), .meaning = "the number is not registered on the Cloud API; register it"},
    {CODE(133000), WAIT(SENDER, CONFIGURATION_SEC), .meaning = "an earlier deregistration did not finish; deregister again"},
    {CODE(133005), WAIT(SENDER, CONFIGURATION_SEC), .meaning = "the two-step verification PIN is wrong"},
    {CODE(133006), WAIT(SENDER, CONFIGURATION_SEC), .meaning = "the number must be verified before it is registered"},
    {CODE(133008), WAIT(SENDER, CONFIGURATION_SEC), .meaning = "the PIN was wrong too often; let it rest"},
    {CODE(133009), WAIT(SENDER, CONFIGURATION_SEC), .meaning = "the PIN was entered too fast; let it rest"},
    {CODE(133015), WAIT(SENDER, CONFIGURATION_SEC), .meaning = "the number was deleted a moment ago; let it rest, register again"},
    {CODE(134011), WAIT(SENDER, CONFIGURATION_SEC), .meaning = "the payments terms of service are not accepted yet"},
    {CODE(131055), WAIT(SENDER, CONFIGURATION_SEC), .meaning = "this API takes marketing templates only; use /messages"},
    {CODE(134100), WAIT(SENDER, CONFIGURATION_SEC), .meaning = "this API takes marketing templates only; use /messages"},
    {CODE(131030), WAIT(RECIPIENT, HOUR_SEC), .meaning = "the recipient is not on the test number's list of allowed recipients; "
                                                         "add it there"},

    /* The API itself is in trouble. */
    {CODE(1), AGAIN, .meaning = "an unknown error, or a request the API did not like"},
    {CODE(2), AGAIN, .meaning = "the service is down or overloaded"},
    {CODE(131000), AGAIN, .meaning = "an unknown error at WhatsApp"},
    {CODE(131016), AGAIN, .meaning = "the service is unavailable"},
    {CODE(133004), AGAIN, .meaning = "the server is temporarily unavailable"},
    {CODE(131052), AGAIN, .meaning = "media of an incoming message could not be fetched, which says nothing about this one"},
    {CODE(131057), WAIT(SENDER, 60), .meaning = "the account is in maintenance"},
    {CODE(2494100), WAIT(SENDER, MINUTES_SEC), .meaning = "the number is in maintenance"},

    /* The recipient. */
    {CODE(131026), REJECTED, .meaning = "not deliverable: not on WhatsApp, an old version, or the terms not accepted"},
    {CODE(131021), REJECTED, .meaning = "the recipient is the sender's own number"},
    {CODE(130403), REJECTED, .meaning = "the business has blocked this recipient"},
    {CODE(130497), REJECTED, .meaning = "the account may not send to the recipient's country"},
    {CODE(CLOUD_CODE_OPTED_OUT), REJECTED, .scope = SCOPE_RECIPIENT,
     .meaning = "the recipient has opted out of marketing messages"},
    {CODE(130472), REJECTED, .meaning = "withheld: the recipient is part of an experiment of WhatsApp"},
    {CODE(131049), REJECTED, .meaning = "withheld: the recipient gets no more marketing for now; do not repeat it within a day"},
    {CODE(131047), REJECTED, .meaning = "more than 24 hours since the recipient wrote; send it as a template"},

    /* The message. */
    {CODE(100), .holds = "appsecret_proof", WAIT(SENDER, CONFIGURATION_SEC),
     .meaning = "the app wants each call signed; switch off \"Require App Secret\" in its advanced settings"},
    {CODE(100), REJECTED, .meaning = "a parameter is wrong, or the recipient's number is not valid"},
    {CODE(131008), WAIT(TEMPLATE, CONFIGURATION_SEC), .meaning = "the template wants a parameter that is not given"},
    {CODE(131009), REJECTED, .meaning = "a parameter has a value that is not allowed"},
    {CODE(135000), REJECTED, .meaning = "a parameter is wrong"},
    {CODE(131051), REJECTED, .meaning = "the type of message is not supported"},
    {CODE(131053), REJECTED, .meaning = "the media could not be used; check its type and its link"},
    {CODE(131062), REJECTED, .meaning = "a business-scoped user id can't be used for this message"},
    {CODE(137000), REJECTED, .meaning = "the recipient's identity key has changed"},

    /* The template. */
    {CODE(132000), WAIT(TEMPLATE, CONFIGURATION_SEC), .meaning = "the template has another number of parameters; correct "
                                                                 "herald.templates.parameters"},
    {CODE(132001), WAIT(TEMPLATE, CONFIGURATION_SEC), .meaning = "no approved template of this name in this language; check "
                                                                 "gateway_name and gateway_locale"},
    {CODE(132005), REJECTED, .meaning = "the template's text is too long with these values"},
    {CODE(132007), REJECTED, .meaning = "the template breaks the content rules"},
    {CODE(132008), REJECTED, .meaning = "a template parameter has a form that is not allowed"},
    {CODE(132012), REJECTED, .meaning = "a template parameter has a form that is not allowed"},
    {CODE(132018), REJECTED, .meaning = "a template parameter has a form that is not allowed"},
    {CODE(132016), REJECTED, .meaning = "the template is disabled for good; use another"},
    {CODE(132015), WAIT(TEMPLATE, HOUR_SEC), .meaning = "the template is paused for its quality, until WhatsApp reinstates it"},
    {CODE(132068), WAIT(TEMPLATE, HOUR_SEC), .meaning = "the template's flow is blocked; mend the flow"},
    {CODE(132069), WAIT(TEMPLATE, HOUR_SEC), .meaning = "the template's flow is throttled"},
    {CODE(131063), WAIT(TEMPLATE, HOUR_SEC), .meaning = "marketing templates are disabled for this account; see the WhatsApp "
                                                        "Manager"},
    {CODE(134101), WAIT(TEMPLATE, 10 * 60), .meaning = "the template is still syncing"},
    {CODE(134102), WAIT(TEMPLATE, CONFIGURATION_SEC), .meaning = "the template is unavailable"},

    /* Groups. */
    {CODE(131020), REJECTED, .meaning = "the group can't be sent to"},
    {CODE(131041), REJECTED, .meaning = "the group can't be sent to"},
    {CODE(131059), REJECTED, .meaning = "the group can't be sent to"},
    {CODE(131202), REJECTED, .meaning = "the group can't be sent to"},
    {CODE(131204), REJECTED, .meaning = "the group can't be sent to"},
    {CODES(131209, 131212), REJECTED, .meaning = "the group can't be sent to"},
    {CODE(131201), IN_DOUBT, .meaning = "only a part of the group was reached"},
    {CODE(131207), WAIT(RECIPIENT, HOURS_SEC), .meaning = "the group is suspended"},
    {CODE(131208), WAIT(SENDER, 60), .meaning = "the limit for groups is reached"},

    {.meaning = NULL}, /* not a documented code: see cloud_table() */
};

static const struct outcome_rule transient[] = {
    {.status = 429, WAIT(SENDER, 60), .meaning = "too many requests"},
    {AGAIN, .meaning = "a fault that the API calls transient"},
};

static const struct outcome_rule unknown[] = {
    {.status = 5, AGAIN, .meaning = "a fault at the API"},
    {.status = 401, WAIT(SENDER, AUTH_SEC), .meaning = "the access token was refused; renew the credential"},
    {.status = 403, WAIT(SENDER, AUTH_SEC), .meaning = "not permitted; check the credential's rights"},
    {.status = 429, WAIT(SENDER, 60), .meaning = "too many requests"},
    {.status = 3, WAIT(SENDER, CONFIGURATION_SEC), .meaning = "redirected, which is not followed; correct base_url"},
    {.status = 4, AGAIN, .meaning = "the API refused it with an error that is not documented"},
    {IN_DOUBT, .meaning = "an error in an answer that says success"},
};

/* A proxy that read the request and then answers itself may have passed it on: WhatsApp may have taken it. Three of one provider's
 * say that it found nobody to pass it on to. */
static const struct outcome_rule wordless[] = {
    {.status = 502, IN_DOUBT, .meaning = "a proxy passed the request on and could not read the answer"},
    {.status = 504, IN_DOUBT, .meaning = "a proxy passed the request on and got no answer in time"},
    {.status = 521, AGAIN, .meaning = "a proxy found nobody to pass the request on to"},
    {.status = 522, AGAIN, .meaning = "a proxy found nobody to pass the request on to"},
    {.status = 523, AGAIN, .meaning = "a proxy found nobody to pass the request on to"},
    {.status = 5, IN_DOUBT, .meaning = "a server on the way failed, perhaps after it had passed the request on"},
    {.status = 401, WAIT(SENDER, AUTH_SEC), .meaning = "the access token was refused; renew the credential"},
    {.status = 403, WAIT(SENDER, AUTH_SEC), .meaning = "not permitted; check base_url and the credential's rights"},
    {.status = 407, WAIT(SENDER, CONFIGURATION_SEC), .meaning = "a proxy wants a log-in; check base_url"},
    {.status = 408, AGAIN, .meaning = "a server on the way did not get the whole request in time"},
    {.status = 413, REJECTED, .meaning = "the request is too large"},
    {.status = 429, WAIT(SENDER, 60), .meaning = "too many requests"},
    {.status = 4, WAIT(SENDER, CONFIGURATION_SEC), .meaning = "this is not the Cloud API's answer; check base_url"},
    {.status = 3, WAIT(SENDER, CONFIGURATION_SEC), .meaning = "redirected, which is not followed; correct base_url"},
    {IN_DOUBT, .meaning = "an answer that can't be understood"},
};

const struct outcome_rule *cloud_table(const struct reply *reply, int64_t code, bool has_error, bool is_transient) {
    bool has_word = code != OUTCOME_CODE_NONE || (has_error && (is_transient || reply->status / 100 == 4));

    if (outcome_match(codes, reply, code, NULL)->meaning)
        return codes;
    if (!has_word)
        return wordless;
    return is_transient ? transient : unknown;
}
