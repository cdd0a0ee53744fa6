/* The pure half of a mail's transfer: what is said to an SMTP server and what is made of its replies (RFC 5321). libcurl connects,
 * secures the connection and logs in, and its replies are only heard here; the rest, from MAIL FROM on, is said here.
 *
 * A mail is handed over when the last byte of the line with the dot, which ends it, has been sent: before that no server can have
 * taken it, after that nobody but its reply tells. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "io/address.h"
#include "io/request.h"

struct mail {
    enum mail_stage stage;
    int code;          /* of the last whole reply, 0 for none */
    struct buf text;   /* and its text, line for line */
    const char *fault; /* why it is over without an answer, static */
    bool is_over;
    /* private */
    const struct envelope *envelope; /* borrowed */
    struct buf words, content, line;
    size_t said, lines;
    bool has_content; /* words are the mail itself */
};

/* Whether the connection has to be secured after it was made. */
enum mail_security { MAIL_PLAIN, MAIL_SECURE_IF_OFFERED, MAIL_SECURE };

void mail_init(struct mail *m);
void mail_done(struct mail *m);

/* Ready for a next one, before the log-in. */
void mail_clear(struct mail *m);

/* Whether addresses and content can be sent as they are: addresses without spaces, brackets and control bytes; a content of whole
 * lines that end with CR LF and hold none of the two otherwise, so that nothing in it can end the mail, or begin another. */
int mail_check(const struct request *request) _must_check_;

/* The log-in is done: begins with MAIL FROM. The content, checked, is preceded by a Date; the envelope must stay. -ENOMEM. */
int mail_begin(struct mail *m, const struct envelope *envelope, const struct buf *content, uint64_t now_wall_usec) _must_check_;

/* Bytes that the server sent. */
void mail_hear(struct mail *m, const char *bytes, size_t size);

/* What is to be said now, borrowed until the next call; returns its size, 0: nothing, it is the server's turn. */
size_t mail_words(const struct mail *m, const char **ret);

/* So many bytes of that have been sent. */
void mail_said(struct mail *m, size_t size);

/* Whether the server's last reply, in code and text, is its answer to the mail: it accepted or refused it. */
bool mail_has_answer(const struct mail *m);

/* Appends "Date: " and the time as RFC 5322 has it, and CR LF. */
int mail_write_date(struct buf *b, uint64_t now_wall_usec);

/* No TLS on the same machine; in private networks only if the server offers it; towards everybody else always. */
enum mail_security mail_security(enum address_kind kind, bool needs_tls);
