#include "cli/cli.h"
#include "daemon/daemon.h"

static int run(struct cli *cli, _unused_ const struct cli_arguments *arguments) {
    return daemon_run(cli->config, cli->config_path);
}

const struct verb verb_run = {
    .name = "run",
    .synopsis = "",
    .summary = "Plan and deliver, until told to stop: the daemon, in the foreground",
    .help = "SIGHUP reads the configuration again; SIGTERM ends it once what is on its way has been answered.",
    .run = run,
};
