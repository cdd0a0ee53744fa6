/* A gateway's answer with groups: it says the same however it is cut into pieces, and what comes out of it is fit to be printed and
 * to be a recipient's address. (dictionary: groups) */
#include <errno.h>

#include "fuzz.h"

#include "gateway/groups.h"

static const struct gateway *const gateways[] = {
    &gateway_cloud, &gateway_evolution, &gateway_waha, &gateway_webjs, &gateway_wppconnect,
};

struct found {
    const struct groups_shape *shape;
    struct buf text;
};

static int on_group(const struct group *g, void *userdata) {
    struct found *f = userdata;

    HOLDS(f->shape->is_group(g->id) && strlen(g->id) < GROUP_ID_BYTES && is_printable(g->id));
    HOLDS(strlen(g->name) < 4 * GROUP_NAME_BYTES && is_printable(g->name));
    HOLDS(buf_printf(&f->text, "%s=%s\n", g->id, g->name) == 0);
    return 0;
}

/* What is found goes to *ret; the result. */
static int read_groups(const struct groups_shape *shape, const char *text, size_t size, size_t piece, struct buf *ret) {
    struct found found = {.shape = shape, .text = BUF_MAX(16 * 1024 * 1024)};
    _cleanup_(groups_reader_freep) struct groups_reader *r = groups_reader_new(shape, on_group, &found);
    const char *next = NULL;
    int result = 0;

    for (size_t at = 0; at < size && result >= 0; at += piece) {
        size_t n = size - at < piece ? size - at : piece;
        _cleanup_(freep) char *exact = copy_of(text + at, n);

        result = groups_reader_feed(r, exact, n);
    }
    if (result >= 0)
        result = groups_reader_finish(r, &next);
    HOLDS(result == 0 || result == -EBADMSG);
    HOLDS(!next || (*next && text_is_utf8(next, strlen(next))));
    *ret = found.text;
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < ELEMENTSOF(gateways); i++) {
        _cleanup_(buf_done) struct buf whole = BUF_MAX(0), pieces = BUF_MAX(0);
        const char *text = (const char *) bytes;
        int r = read_groups(gateways[i]->groups, text, size, size + 1, &whole);

        HOLDS(read_groups(gateways[i]->groups, text, size, 1 + size % 7, &pieces) == r);
        HOLDS(r < 0 || strcmp(buf_string(&whole), buf_string(&pieces)) == 0);
    }
    return 0;
}
