/* A secret in a line, a message in a line, and a gateway's text: no piece of either is in what is kept of it. */
#include "fuzz.h"

#include "gateway/scrub.h"

enum { SECRET_PIECE = 8, BODY_PIECE = 16, REASON_BYTES = 512, KEPT_BYTES = 600 };

static bool is_plain(const char *text) {
    for (const char *p = text; *p; p++)
        if (*p < 0x20 || *p == 0x7f || *p == '[' || *p == ']')
            return false;
    return true;
}

/* Of a secret that is shorter than a piece, the whole. */
static void check_hidden(const char *text, const char *secret, size_t piece, size_t shortest) {
    size_t size = strlen(secret);

    if (size >= shortest)
        HOLDS(!holds_piece(text, secret, size < piece ? size : piece));
}

static void try_kept(const char *text, size_t size, const struct sender *sender) {
    _cleanup_(buf_done) struct buf kept = BUF_MAX(KEPT_BYTES);

    HOLDS(scrub_kept(&kept, text, size, sender) == 0);
    HOLDS(text_is_utf8(buf_string(&kept), kept.size));
    check_hidden(buf_string(&kept), sender->secret, SECRET_PIECE, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct input in = input_of(bytes, size);
    _cleanup_(freep) char *secret = input_line(&in), *body = input_line(&in), *text = copy_of(in.bytes, in.size);
    struct sender sender = {.secret = secret};
    struct message message = {.target = "+8801712345678", .body = body};
    char shown[REASON_BYTES];

    /* What looks like the mark that stands in its place can't be hidden by it. */
    if (!is_plain(secret) || !is_plain(body))
        return 0;
    scrub_text(text, in.size, &sender, &message, shown, sizeof(shown));
    HOLDS(is_printable(shown));
    check_hidden(shown, secret, SECRET_PIECE, 1);
    check_hidden(shown, body, BODY_PIECE, 4);
    try_kept(text, in.size, &sender);
    return 0;
}
