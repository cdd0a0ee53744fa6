#include "gateway/secret_forms.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "io/url.h"

static const char small_digits[] = "0123456789abcdef", large_digits[] = "0123456789ABCDEF";

/* What was appended since the last one is a form. */
static void end_form(struct secret_forms *f) {
    if (f->text.size > f->offset[f->count])
        f->offset[++f->count] = f->text.size;
}

static void add_for_urls(struct secret_forms *f, const char *letters) {
    if (!strpbrk(letters, "+/"))
        return;
    for (const char *p = letters; *p; p++)
        (void) buf_append_char(&f->text, *p == '+' ? '-' : *p == '/' ? '_' : *p);
    end_form(f);
}

/* Behind so many other bytes: letters that hold bits of those are left out. */
static int add_base64(struct secret_forms *f, const char *secret, size_t behind) {
    _cleanup_(buf_wipe) struct buf plain = BUF_MAX(f->text.max), letters = BUF_MAX(f->text.max);
    size_t from = (behind * 8 + 5) / 6;
    int r;

    (void) buf_append(&plain, "\0\0", behind);
    (void) buf_append_string(&plain, secret);
    r = buf_error(&plain);
    if (r >= 0)
        r = base64_append(&letters, plain.data, plain.size);
    if (r < 0)
        return r;
    (void) buf_append_string(&f->text, letters.data + from);
    end_form(f);
    add_for_urls(f, letters.data + from);
    return 0;
}

static void add_hex(struct secret_forms *f, const char *secret, const char *digits) {
    for (const unsigned char *p = (const unsigned char *) secret; *p; p++) {
        (void) buf_append_char(&f->text, digits[*p >> 4]);
        (void) buf_append_char(&f->text, digits[*p & 15]);
    }
    end_form(f);
}

static int add_percent_encoded(struct secret_forms *f, const char *secret) {
    _cleanup_(buf_wipe) struct buf escaped = BUF_MAX(f->text.max);
    int r = url_append_escaped(&escaped, secret);

    if (r < 0 || strcmp(buf_string(&escaped), secret) == 0)
        return r;
    (void) buf_append_string(&f->text, escaped.data);
    end_form(f);
    for (char *p = escaped.data; *p; p++)
        if (*p == '%')
            for (size_t i = 1; i <= 2; i++)
                p[i] = (char) tolower((unsigned char) p[i]);
    (void) buf_append_string(&f->text, escaped.data);
    end_form(f);
    return 0;
}

static void add_json(struct secret_forms *f, const char *secret, const char *escaped) {
    if (!strpbrk(secret, escaped))
        return;
    for (const char *p = secret; *p; p++) {
        if (strchr(escaped, *p))
            (void) buf_append_char(&f->text, '\\');
        (void) buf_append_char(&f->text, *p);
    }
    end_form(f);
}

int secret_forms_fill(struct secret_forms *forms, const char *secret) {
    int r = 0;

    *forms = (struct secret_forms) {.text = BUF_MAX(32 * strlen(secret) + 64)};
    if (*secret == '\0')
        return 0;
    (void) buf_append_string(&forms->text, secret);
    end_form(forms);
    for (size_t behind = 0; behind < 3 && r >= 0; behind++)
        r = add_base64(forms, secret, behind);
    add_hex(forms, secret, small_digits);
    add_hex(forms, secret, large_digits);
    if (r >= 0)
        r = add_percent_encoded(forms, secret);
    add_json(forms, secret, "\"\\");
    if (strchr(secret, '/'))
        add_json(forms, secret, "\"\\/");
    return r < 0 ? r : buf_error(&forms->text);
}

void secret_forms_done(struct secret_forms *forms) {
    buf_wipe(&forms->text);
    forms->count = 0;
}
