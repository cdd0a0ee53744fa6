/* A text of a webhook's account with placeholders in it. The values look like placeholders: what is put in stays as it is. */
#include "fuzz.h"

#include "gateway/placeholder.h"

#define SECRET "EAAGm0PX4ZCpsBAtoken"
#define BODY "{{credential}} and {{target}}, {{"
/* Whole: what is empty would put together what stands around its placeholder. */
#define MEDIA "{\"type\": \"image\", \"url\": \"https://example.org/{{credential}}\", \"filename\": \"{{body}}\"}"

enum { EXPANDED_BYTES_MAX = 1024 * 1024 };

/* How often a text is in another. */
static size_t count(const char *text, const char *wanted) {
    size_t n = 0;

    for (const char *p = strstr(text, wanted); p; p = strstr(p + strlen(wanted), wanted))
        n++;
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static struct json *media;
    const char *reason;
    _cleanup_(freep) char *text = copy_of((const char *) bytes, size);
    struct sender sender = {.secret = SECRET};
    struct message message = {.id = 1, .attempt_id = INT64_MAX, .target = "+8801712345678", .body = BODY};
    _cleanup_(buf_done) struct buf b = BUF_MAX(EXPANDED_BYTES_MAX);

    if (!media)
        HOLDS(json_parse(MEDIA, strlen(MEDIA), &media, &reason) == 0);
    message.media = json_root(media);
    bool fits_header = !*placeholder_fault(text, PLACEHOLDER_IN_HEADER), fits_body = !*placeholder_fault(text, PLACEHOLDER_IN_BODY);
    size_t secrets = count(text, SECRET);

    HOLDS(strlen(text) * sizeof(BODY) > EXPANDED_BYTES_MAX || placeholder_expand(&b, text, &sender, &message) == 0);
    if (buf_error(&b) < 0)
        return 0;
    HOLDS(secrets > 0 || !fits_body || !strstr(buf_string(&b), SECRET));
    HOLDS(!fits_header || strstr(text, BODY) || !strstr(buf_string(&b), BODY));
    HOLDS(secrets > 0 || !fits_header || count(buf_string(&b), SECRET) == count(text, "{{credential}}"));
    HOLDS(strstr(text, "{{") || strcmp(buf_string(&b), text) == 0);
    return 0;
}
