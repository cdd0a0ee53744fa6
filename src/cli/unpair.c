#include <errno.h>
#include <string.h>

#include "cli/session.h"

struct said {
    const char *sender;
    struct buf reason;
};

static void show(const struct session *s, void *userdata) {
    struct said *said = userdata;

    session_say(said->sender, s, &said->reason);
}

static int run(struct cli *cli, const struct cli_arguments *arguments) {
    struct said said = {.sender = arguments->words[0], .reason = BUF_MAX(8 * 1024)};
    _cleanup_(session_done) struct session s;
    int r = session_follow(cli, QUERY_CLI_UNPAIR, said.sender, show, &said, &s);

    buf_done(&said.reason);
    if (r == -EINTR)
        return cli_error("%s: its gateway is told to log it out all the same; herald.sessions has what comes of it", said.sender);
    if (r < 0)
        return EXIT_NO;
    if (strcmp(s.state, "disconnected") != 0)
        return cli_error("%s may still be connected: %s (pgherald unpair %s tries again)", said.sender, session_fault(&s),
                         said.sender);
    printf("%s is logged out\n", said.sender);
    return EXIT_DONE;
}

const struct verb verb_unpair = {
    .name = "unpair",
    .synopsis = "SENDER",
    .summary = "Log a sender's session out, so that the telephone no longer lists it",
    .help = "Waits until its gateway has done that. Nothing is sent by this sender until `pgherald pair` pairs it again.",
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
