/* pgherald sandbox: a gateway to develop and demonstrate against, as a mail catcher is for mail. It speaks the contracts of the
 * gateways, keeps what it was sent, shows it as chats, and misbehaves on request. It sends nothing to anybody. */
#pragma once

/* The verb. argv[0] is "sandbox". Returns the exit status: 0 stopped by a signal, 1 failed, 2 wrong usage. */
int sandbox_main(int argc, char **argv);
