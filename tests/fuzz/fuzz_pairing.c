/* Whatever the gateways on WhatsApp Web answer when they are asked how a session is, to pair it, or to log it out: an input is
 * "GATEWAY PURPOSE STEP" in a line, each a digit, then as in reply.h. (dictionary: pairing) */
#include "reply.h"

/* How many steps each purpose has. */
enum { STEPS = 6 };
static const unsigned steps[] = {[PURPOSE_HEALTH] = 3, [PURPOSE_PAIR] = STEPS, [PURPOSE_UNPAIR] = 1};

static const struct {
    const struct gateway *gateway;
    const char *account;
} gateways[] = {
    {&gateway_evolution, "{\"instance\": \"alerts\"}"},
    {&gateway_waha, "{\"session\": \"alerts\"}"},
    {&gateway_webjs, "{\"session\": \"alerts\"}"},
    {&gateway_wppconnect, "{\"session\": \"alerts\"}"},
};

static bool is_code(const char *text) {
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            return false;
    return true;
}

static void check_health(const struct health *h, enum purpose purpose) {
    HOLDS(memchr(h->reason, '\0', sizeof(h->reason)) && memchr(h->code, '\0', sizeof(h->code)));
    HOLDS(h->kind <= HEALTH_CODE && (h->kind != HEALTH_CODE || purpose == PURPOSE_PAIR));
    HOLDS((h->kind == HEALTH_CODE) == (h->code[0] != '\0') && is_code(h->code));
    HOLDS((h->kind == HEALTH_WELL || h->kind == HEALTH_GO_ON) == (h->reason[0] == '\0'));
    HOLDS(h->kind == HEALTH_GO_ON ? h->next_step < steps[purpose] : h->next_step == 0);
    HOLDS(h->wait_sec == WAIT_BY_BACKOFF || (h->wait_sec >= 0 && h->wait_sec <= WAIT_MAX_SEC));
    HOLDS(is_printable(h->reason) && !holds_piece(h->reason, SECRET, SECRET_PIECE) && !holds_number(h->reason));
}

/* What the gateway is asked next is a question, or there is no such step. */
static void check_next(const struct gateway *gateway, const struct sender *sender, enum purpose purpose, const struct health *h) {
    struct request request;

    request_init(&request);
    if (h->kind == HEALTH_GO_ON)
        HOLDS(gateway->ask(sender, purpose, h->next_step, &request) == 0);
    request_done(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static struct json *docs[ELEMENTSOF(gateways)];
    struct input in = input_of(bytes, size);
    _cleanup_(freep) char *line = input_line(&in);
    unsigned which = 0, purpose = 0, step = 0;
    struct reply reply;
    struct health h;

    (void) sscanf(line, "%1u %1u %1u", &which, &purpose, &step);
    which %= ELEMENTSOF(gateways);
    purpose %= PURPOSE_UNPAIR + 1;
    struct sender sender = {.name = "main", .base_url = "http://127.0.0.1:3000", .secret = SECRET,
                            .account = account_of(gateways[which].account, &docs[which])};

    read_reply(&in, &reply);
    _cleanup_(freep) char *body = copy_of(in.bytes, in.size);
    reply.body = body;
    reply.body_size = in.size;
    (void) snprintf(reply.reason, sizeof(reply.reason), "%s", body);
    memset(&h, 0xa5, sizeof(h));
    health_from_reply(gateways[which].gateway, &sender, purpose, step % steps[purpose], &reply, &h);
    check_health(&h, purpose);
    check_next(gateways[which].gateway, &sender, purpose, &h);
    return 0;
}
