#include "cli/cli.h"
#include "sandbox/sandbox.h"

const struct verb verb_sandbox = {
    .name = "sandbox",
    .synopsis = "[OPTION…]",
    .summary = "A gateway to try things on: it shows the chats, and sends nothing to anybody",
    .raw = sandbox_main,
};
