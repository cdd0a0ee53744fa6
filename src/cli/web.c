#include "web/web.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/parse.h"
#include "cli/cli.h"
#include "io/endpoint.h"
#include "io/service.h"

#define LISTEN_DEFAULT "127.0.0.1:8026"
#define TIME_LIMIT_DEFAULT "10 s"

enum { OPTION_LISTEN, OPTION_TIME_LIMIT };

/* The socket that systemd passed, or one of our own. 0, or the exit status after saying why. */
static int open_endpoint(const char *where, struct endpoint *ret) {
    _cleanup_(buf_done) struct buf reason = BUF_MAX(1024);
    int fd, r = service_take_socket(&fd);

    if (r < 0)
        return cli_error("web: systemd passed something else than one listening stream socket; see pgherald-web.socket");
    if (r > 0) {
        endpoint_adopt(fd, ret);
        return 0;
    }
    r = endpoint_open(where ? where : LISTEN_DEFAULT, ret, &reason);
    if (r < 0)
        (void) cli_error("web: %s", buf_string(&reason));
    return r == -EINVAL ? EXIT_USAGE : r < 0 ? EXIT_NO : 0;
}

static int run(struct cli *cli, const struct cli_arguments *arguments) {
    const char *limit = arguments->option[OPTION_TIME_LIMIT] ? arguments->option[OPTION_TIME_LIMIT] : TIME_LIMIT_DEFAULT;
    struct endpoint endpoint;
    uint64_t limit_usec;
    int status;

    if (parse_duration(limit, USEC_PER_MINUTE, &limit_usec) < 0 || limit_usec < 100 * USEC_PER_MSEC)
        return cli_usage_error(cli->verb, "--time-limit takes a duration from \"100 ms\" to \"1 min\", not \"%s\"", limit);
    status = open_endpoint(arguments->option[OPTION_LISTEN], &endpoint);
    return status != 0 ? status : web_run(cli->config, cli->config_path, &endpoint, limit_usec);
}

static const struct cli_option options[] = {
    {"listen", "ADDRESS:PORT", "Where it listens (" LISTEN_DEFAULT "), unless systemd passes a socket; port 0 takes a free one."},
    {"time-limit", "DURATION", "Longest time that a request may take to come in (" TIME_LIMIT_DEFAULT ")."},
    {0},
};

const struct verb verb_web = {
    .name = "web",
    .synopsis = "[OPTION…]",
    .summary = "Take receipts from gateways, and show figures to Prometheus: a process of its own",
    .help = "GET, POST /cloud             webhooks of the Cloud API, signed\n"
            "POST /evolution/SECRET       webhooks of Evolution API\n"
            "POST /twilio                 status callbacks of Twilio, signed\n"
            "POST /waha                   webhooks of WAHA, signed\n"
            "POST /webjs/SECRET           webhooks of wwebjs-api\n"
            "POST /wppconnect/SECRET      webhooks of wppconnect\n"
            "GET /healthz /readyz         whether it runs, and whether it takes webhooks\n"
            "GET /metrics                 figures\n"
            "\n"
            "Put a proxy that speaks TLS before it, and let only those of webhooks through. SIGHUP reads secrets again.",
    .options = options,
    .run = run,
};
