#include "sandbox/sandbox.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <systemd/sd-event.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/parse.h"
#include "io/endpoint.h"
#include "io/service.h"
#include "io/url.h"
#include "sandbox/contract.h"
#include "sandbox/courier.h"
#include "sandbox/mhd.h"
#include "sandbox/pairing.h"

enum { KEEP_DEFAULT = 100000, KEEP_MAX = 10000000, FILES_MAX = 4096 };

#define CHATS_BYTES_MAX (256 * (size_t) 1024 * 1024)
#define LISTEN_DEFAULT "127.0.0.1:8025"

static const char usage[] =
        "Usage: pgherald sandbox [--listen ADDRESS:PORT] [--token TOKEN] [--keep COUNT]\n"
        "                        [--receipts URL --app-secret SECRET]\n"
        "\n"
        "A gateway to try things on: it takes messages as WhatsApp gateways do, shows them as chats on a page, and sends\n"
        "nothing to anybody. Point the base_url of a sender at it.\n"
        "\n"
        "  --listen ADDRESS:PORT  where it listens (" LISTEN_DEFAULT "; port 0 takes a free one). Everybody who reaches\n"
        "                         that address can read the messages\n"
        "  --token TOKEN          the only token or API key it takes; without this, any\n"
        "  --keep COUNT           how many messages it keeps, the newest ones (100000)\n"
        "  --receipts URL         tells pgherald web at this address (http://127.0.0.1:8026/cloud) that the messages of the Cloud\n"
        "                         API were delivered, and then read; --app-secret SECRET signs that. Those of Twilio it tells\n"
        "                         of at their StatusCallback, if that has the same origin (http://127.0.0.1:8026/twilio)\n"
        "  --help                 this text\n"
        "\n"
        "  cloud        base_url http://" LISTEN_DEFAULT "\n"
        "  evolution    base_url http://" LISTEN_DEFAULT "\n"
        "  twilio       base_url http://" LISTEN_DEFAULT ", any account_sid of the right form\n"
        "  waha         base_url http://" LISTEN_DEFAULT "\n"
        "  webjs        base_url http://" LISTEN_DEFAULT "\n"
        "  wppconnect   base_url http://" LISTEN_DEFAULT "\n"
        "  webhook      base_url http://" LISTEN_DEFAULT "/webhook/NAME, or /send-message for a small {phone, message} server\n"
        "\n"
        "  GET, DELETE /sandbox/messages         what came in, as JSON (?after=SEQ&recipient=X&refused=true)\n"
        "  GET, PUT, DELETE /sandbox/behaviour   latency, errors, time-outs and senseless answers, as JSON\n"
        "  GET /sandbox/sessions                 the sessions that are disconnected, and the QR codes that they show\n"
        "  POST /sandbox/scan                    {\"session\": \"NAME\"}: somebody scans its QR code\n";

struct options {
    const char *listen, *token, *receipts, *app_secret;
    int64_t keep;
    bool is_help;
};

/* 0, or the exit status 2 after saying why. */
static int parse_options(int argc, char **argv, struct options *ret) {
    static const struct option known[] = {
        {"listen", required_argument, NULL, 'l'}, {"token", required_argument, NULL, 't'},
        {"keep", required_argument, NULL, 'k'},   {"help", no_argument, NULL, 'h'},
        {"receipts", required_argument, NULL, 'r'}, {"app-secret", required_argument, NULL, 's'},
        {0},
    };
    *ret = (struct options) {.listen = LISTEN_DEFAULT, .keep = KEEP_DEFAULT};
    optind = 0;
    opterr = 1; /* the program's own options are told of otherwise */
    for (int c; (c = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
        if (c == 'l')
            ret->listen = optarg;
        else if (c == 't' && *optarg)
            ret->token = optarg;
        else if (c == 'r')
            ret->receipts = optarg;
        else if (c == 's' && *optarg)
            ret->app_secret = optarg;
        else if (c == 'h')
            ret->is_help = true;
        else if (c != 'k' || parse_int(optarg, 1, KEEP_MAX, &ret->keep) < 0) {
            if (c == 'k')
                (void) fprintf(stderr, "sandbox: --keep takes a number from 1 to %d\n", KEEP_MAX);
            if (c == 't')
                (void) fprintf(stderr, "sandbox: --token takes a text that is not empty\n");
            (void) fprintf(stderr, "Try: pgherald sandbox --help\n");
            return 2;
        }
    }
    if (!ret->receipts != !ret->app_secret) {
        (void) fprintf(stderr, "sandbox: --receipts and --app-secret belong together\nTry: pgherald sandbox --help\n");
        return 2;
    }
    const char *fault;
    if (ret->receipts && url_check(ret->receipts, &fault) < 0) {
        (void) fprintf(stderr, "sandbox: --receipts: the URL %s\nTry: pgherald sandbox --help\n", fault);
        return 2;
    }
    if (optind < argc) {
        (void) fprintf(stderr, "sandbox: \"%s\" is not understood\nTry: pgherald sandbox --help\n", argv[optind]);
        return 2;
    }
    return 0;
}

static void sandbox_done(struct sandbox *s) {
    pairings_free(s->pairings);
    behaviour_free(s->behaviour);
    chats_free(s->chats);
}

static int sandbox_init(struct sandbox *s, const struct options *options, bool is_loopback) {
    *s = (struct sandbox) {.token = options->token, .is_loopback = is_loopback, .id_seed = random_u64(),
                           .started_usec = clock_monotonic_usec()};
    int r = chats_new((size_t) options->keep, CHATS_BYTES_MAX, &s->chats);
    if (r >= 0)
        r = behaviour_new(&s->behaviour);
    return r < 0 ? r : pairings_new(&s->pairings);
}

/* SIGINT and SIGTERM end the loop. */
static int catch_signals(sd_event *event) {
    sigset_t signals;
    (void) sigemptyset(&signals);
    (void) sigaddset(&signals, SIGINT);
    (void) sigaddset(&signals, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
        return -errno;
    (void) signal(SIGPIPE, SIG_IGN);
    int r = sd_event_add_signal(event, NULL, SIGINT, NULL, NULL);
    return r < 0 ? r : sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL);
}

/* Each connection is a file; a usual limit of 1,024 would be met before ours. Where it can't be raised, that is no failure. */
static void raise_file_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= FILES_MAX)
        return;
    limit.rlim_cur = limit.rlim_max < FILES_MAX ? limit.rlim_max : FILES_MAX;
    (void) setrlimit(RLIMIT_NOFILE, &limit);
}

static int serve(const struct options *options, const struct endpoint *endpoint) {
    _cleanup_(closep) int fd = endpoint->fd;
    _cleanup_(sd_event_unrefp) sd_event *event = NULL;
    _cleanup_(sandbox_done) struct sandbox sandbox = {0};
    _cleanup_(courier_freep) struct courier *courier = NULL;
    _cleanup_(mhd_freep) struct mhd *server = NULL;
    int r = sandbox_init(&sandbox, options, endpoint->is_loopback);
    if (r < 0)
        return r;
    raise_file_limit();
    r = sd_event_new(&event);
    if (r < 0)
        return r;
    r = catch_signals(event);
    if (r < 0)
        return r;
    if (options->receipts) {
        r = courier_new(event, options->receipts, options->app_secret, &courier);
        if (r < 0)
            return r;
        sandbox.on_message = courier_on_message;
        sandbox.userdata = courier;
    }
    int taken = fd; /* the server closes it, also where it fails */
    fd = -1;
    r = mhd_new(event, taken, &sandbox, &server);
    if (r < 0)
        return r;
    (void) printf("sandbox: http://%s/ shows the chats\n", endpoint->name);
    (void) fflush(stdout);
    service_ready();
    r = sd_event_loop(event);
    service_stopping();
    return r;
}

int sandbox_main(int argc, char **argv) {
    struct options options;
    int status = parse_options(argc, argv, &options);
    if (status != 0)
        return status;
    if (options.is_help)
        return fputs(usage, stdout) < 0;

    struct endpoint endpoint;
    _cleanup_(buf_done) struct buf error = BUF_MAX(1024);
    int r = endpoint_open(options.listen, &endpoint, &error);
    if (r < 0) {
        (void) fprintf(stderr, "sandbox: %s\n", buf_string(&error));
        return r == -EINVAL ? 2 : 1;
    }
    r = serve(&options, &endpoint);
    if (r < 0) {
        (void) fprintf(stderr, "sandbox: %s\n", strerror(-r));
        return 1;
    }
    return 0;
}
