/* Pauses of verbs that go on until Ctrl-C. */
#include "cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#include "base/clock.h"

static void interrupt_set(sigset_t *ret) {
    (void) sigemptyset(ret);
    (void) sigaddset(ret, SIGINT);
}

void cli_hold_interrupts(void) {
    sigset_t interrupt;

    interrupt_set(&interrupt);
    (void) sigprocmask(SIG_BLOCK, &interrupt, NULL);
}

/* Not for a notification, which are not asked for here: the wait ends at once with a lost connection too. */
int cli_pause(struct cli *cli, uint64_t usec) {
    const struct timespec pause = {.tv_sec = (time_t) (usec / USEC_PER_SEC), .tv_nsec = (long) (usec % USEC_PER_SEC) * 1000};
    struct pg_error error;
    sigset_t interrupt;

    if (cli->pg && pg_is_connected(cli->pg))
        return pg_wait_notify(cli->pg, usec, &error) == -EINTR ? -EINTR : 0;
    interrupt_set(&interrupt);
    return sigtimedwait(&interrupt, NULL, &pause) == SIGINT ? -EINTR : 0;
}
