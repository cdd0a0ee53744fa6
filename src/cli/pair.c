#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "cli/screen.h"
#include "cli/session.h"

struct shown {
    const char *sender;
    bool is_terminal; /* and may have colours */
    struct screen screen;
    struct buf code, reason; /* without a terminal: that were printed last */
};

static void show_on_terminal(struct shown *shown, const struct session *s) {
    _cleanup_(buf_done) struct buf text = BUF_MAX(8 * 1024), line = BUF_MAX(32 * 1024);

    (void) buf_printf(&text, "%s: %s, %" PRId64 " s left: %s", shown->sender, s->state, s->left_sec, s->reason ? s->reason : "");
    (void) text_append_printable(&line, buf_string(&text), text.size);
    screen_show(&shown->screen, s->code, buf_string(&line));
}

/* Each code once. */
static void show_plainly(struct shown *shown, const struct session *s) {
    _cleanup_(buf_done) struct buf drawing = BUF_MAX(SCREEN_BYTES_MAX);
    struct room taken;

    session_say(shown->sender, s, &shown->reason);
    if (!s->code || strcmp(s->code, buf_string(&shown->code)) == 0)
        return;
    buf_clear(&shown->code);
    (void) buf_append_string(&shown->code, s->code);
    if (screen_draw_code(&drawing, s->code, false, (struct room) {0}, &taken) >= 0)
        printf("%s\n", buf_string(&drawing));
    else
        cli_print_text(stdout, s->code);
    (void) fflush(stdout);
}

static void show(const struct session *s, void *userdata) {
    struct shown *shown = userdata;

    if (shown->is_terminal)
        show_on_terminal(shown, s);
    else
        show_plainly(shown, s);
}

static int conclude(const char *sender, int r, const struct session *s) {
    if (r == -EINTR)
        return cli_error("%s: it can still be paired for %" PRId64 " s; pgherald pair %s shows the code again, pgherald unpair %s "
                         "ends it", sender, s->left_sec, sender, sender);
    if (r < 0)
        return EXIT_NO;
    if (strcmp(s->state, "connected") != 0)
        return cli_error("%s is not paired: %s (pgherald pair %s tries again)", sender, session_fault(s), sender);
    printf("%s is connected\n", sender);
    return EXIT_DONE;
}

static int run(struct cli *cli, const struct cli_arguments *arguments) {
    struct shown shown = {.sender = arguments->words[0],
                          .is_terminal = cli_has_colour(stdout),
                          .code = BUF_MAX(8 * 1024),
                          .reason = BUF_MAX(8 * 1024)};
    _cleanup_(session_done) struct session s;
    int r = session_follow(cli, QUERY_CLI_PAIR, shown.sender, show, &shown, &s);

    if (shown.is_terminal)
        screen_erase(&shown.screen);
    buf_done(&shown.code);
    buf_done(&shown.reason);
    return conclude(shown.sender, r, &s);
}

const struct verb verb_pair = {
    .name = "pair",
    .synopsis = "SENDER",
    .summary = "Pair a sender's session with a telephone: shows the QR code to scan",
    .help = "Of senders on WhatsApp Web: evolution, waha, webjs, wppconnect. Scan it within two minutes in WhatsApp, Linked\n"
            "devices; it changes every so often. The code is as good as a key to the account. Exit status 0: connected.\n"
            "After Ctrl-C it can be scanned until its time is up.",
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
