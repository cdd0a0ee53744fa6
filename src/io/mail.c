#include "io/mail.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

enum {
    LINE_BYTES_MAX = 2048, /* RFC 5321 has 512; what is longer is cut */
    TEXT_BYTES_MAX = 4096,
    LINES_MAX = 1000, /* of one reply */
    ADDRESS_BYTES_MAX = 320,
    ADDED_BYTES_MAX = 1024, /* a command; or date and end */
};

#define END ".\r\n"

void mail_init(struct mail *m) {
    /* Every byte of a content may be a dot that is doubled. */
    *m = (struct mail) {.text = BUF_MAX(TEXT_BYTES_MAX),
                        .words = BUF_MAX(2 * REQUEST_BODY_BYTES_MAX + ADDED_BYTES_MAX),
                        .content = BUF_MAX(2 * REQUEST_BODY_BYTES_MAX + ADDED_BYTES_MAX),
                        .line = BUF_MAX(LINE_BYTES_MAX)};
}

void mail_done(struct mail *m) {
    buf_done(&m->text);
    buf_done(&m->words);
    buf_done(&m->content);
    buf_done(&m->line);
}

void mail_clear(struct mail *m) {
    mail_done(m);
    mail_init(m);
}

/* ---- What is sent ---- */

static bool is_address(const struct buf *address) {
    const char *text = buf_string(address);

    if (address->size == 0 || address->size > ADDRESS_BYTES_MAX)
        return false;
    for (const char *p = text; *p; p++)
        if (*p <= ' ' || *p >= 0x7f || *p == '<' || *p == '>')
            return false;
    return strlen(text) == address->size;
}

static bool is_content(const char *text, size_t size) {
    if (size < 2 || memcmp(text + size - 2, "\r\n", 2) != 0)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\0' || (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')))
            return false;
        if (text[i] == '\r' && text[i + 1] != '\n')
            return false;
    }
    return true;
}

int mail_check(const struct request *request) {
    if (!is_address(&request->envelope.from) || !is_address(&request->envelope.to) ||
        !is_content(buf_string(&request->body), request->body.size))
        return -EINVAL;
    return 0;
}

int mail_write_date(struct buf *b, uint64_t now_wall_usec) {
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t) (now_wall_usec / USEC_PER_SEC);
    struct tm tm;

    if (!gmtime_r(&seconds, &tm))
        return -EINVAL;
    return buf_printf(b, "Date: %s, %d %s %d %02d:%02d:%02d +0000\r\n", days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
                      tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* A line that begins with a dot gets another one. */
static int stuff(struct buf *b, const struct buf *content) {
    const char *text = buf_string(content), *end = text + content->size;
    int r = 0;

    while (text < end && r >= 0) {
        const char *next = (const char *) memchr(text, '\n', (size_t) (end - text)) + 1;

        if (*text == '.')
            r = buf_append_char(b, '.');
        if (r >= 0)
            r = buf_append(b, text, (size_t) (next - text));
        text = next;
    }
    return r;
}

/* ---- The conversation ---- */

static void end(struct mail *m, const char *fault) {
    m->is_over = true;
    m->fault = fault;
    buf_clear(&m->words);
    m->said = 0;
}

static void say(struct mail *m, enum mail_stage stage, const char *command, const struct buf *address) {
    buf_clear(&m->words);
    m->said = 0;
    m->stage = stage;
    if (buf_printf(&m->words, address ? "%s:<%s>\r\n" : "%s\r\n", command, address ? buf_string(address) : "") < 0)
        end(m, "no memory is left");
}

int mail_begin(struct mail *m, const struct envelope *envelope, const struct buf *content, uint64_t now_wall_usec) {
    int r = mail_write_date(&m->content, now_wall_usec);

    if (r >= 0)
        r = stuff(&m->content, content);
    if (r >= 0)
        r = buf_append_string(&m->content, END);
    if (r < 0)
        return r;
    m->envelope = envelope;
    say(m, MAIL_FROM, "MAIL FROM", &envelope->from);
    return m->is_over ? -ENOMEM : 0;
}

/* The content in place of words: nothing is copied. */
static void say_content(struct mail *m) {
    struct buf words = m->words;

    m->words = m->content;
    m->content = words;
    m->said = 0;
    m->has_content = true;
}

/* A whole reply has come. What is no yes ends the conversation; what it means is not for us to say. */
static void on_reply(struct mail *m) {
    bool is_yes = m->code / 100 == 2;

    if (m->stage == MAIL_LOGIN)
        return;
    if (m->stage != MAIL_END && m->said < m->words.size)
        end(m, m->code >= 400 ? NULL : "the server answered before all was said");
    else if (m->stage == MAIL_FROM && is_yes)
        say(m, MAIL_TO, "RCPT TO", &m->envelope->to);
    else if (m->stage == MAIL_TO && is_yes)
        say(m, MAIL_DATA, "DATA", NULL);
    else if (m->stage == MAIL_DATA && m->code == 354 && !m->has_content)
        say_content(m);
    else
        end(m, NULL);
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* "250-text" or, the last one, "250 text" or "250". */
static void on_line(struct mail *m) {
    const char *line = buf_string(&m->line);
    size_t size = m->line.size;
    bool is_reply = size >= 3 && line[0] >= '1' && line[0] <= '5' && is_digit(line[1]) && is_digit(line[2]) &&
                    (size == 3 || line[3] == ' ' || line[3] == '-');

    if (!is_reply || ++m->lines > LINES_MAX) {
        end(m, "the server's answer is none of SMTP");
        return;
    }
    if (m->lines == 1)
        buf_clear(&m->text);
    if (m->text.size > 0)
        (void) buf_append_char(&m->text, '\n');
    (void) buf_append(&m->text, line, size);
    if (size > 3 && line[3] == '-')
        return;
    m->lines = 0;
    m->code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
    on_reply(m);
}

void mail_hear(struct mail *m, const char *bytes, size_t size) {
    for (size_t i = 0; i < size && !m->is_over; i++) {
        if (bytes[i] == '\n') {
            on_line(m);
            buf_clear(&m->line);
        } else if (bytes[i] != '\r') {
            (void) buf_append_char(&m->line, bytes[i]); /* a line that is too long is cut */
        }
    }
}

size_t mail_words(const struct mail *m, const char **ret) {
    *ret = buf_string(&m->words) + m->said;
    return m->words.size - m->said;
}

void mail_said(struct mail *m, size_t size) {
    m->said += size;
    if (m->has_content && m->said == m->words.size)
        m->stage = MAIL_END;
}

bool mail_has_answer(const struct mail *m) {
    return m->is_over ? !m->fault : m->stage == MAIL_LOGIN && m->code >= 400;
}

enum mail_security mail_security(enum address_kind kind, bool needs_tls) {
    if (needs_tls || kind == ADDRESS_PUBLIC)
        return MAIL_SECURE;
    return kind == ADDRESS_LOOPBACK ? MAIL_PLAIN : MAIL_SECURE_IF_OFFERED;
}
