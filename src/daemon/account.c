#include "daemon/account.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "io/secret.h"

DEFINE_CLEANUP(struct account *, account_unref)

struct account *account_unref(struct account *a) {
    if (!a || --a->references > 0)
        return NULL;
    json_free(a->document);
    secret_free(a->secret);
    free(a->name);
    free(a->gateway_name);
    free(a->base_url);
    free(a->credential);
    free(a->settings);
    free(a);
    return NULL;
}

/* Fills problem where the account can't be used. */
static int account_prepare(struct account *a, const char *credentials_dir) {
    _cleanup_(buf_done) struct buf reason = BUF_MAX(sizeof(a->problem) - 1);
    const char *why;
    int r;

    a->gateway = gateway_find(a->gateway_name);
    if (!a->gateway) {
        (void) snprintf(a->problem, sizeof(a->problem), "sender \"%s\": there is no gateway \"%s\" (there are: %s)", a->name,
                        a->gateway_name, gateway_names());
        return 0;
    }
    r = json_parse(a->settings, strlen(a->settings), &a->document, &why);
    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        (void) snprintf(a->problem, sizeof(a->problem), "sender \"%s\": its account is beyond bounds: %s", a->name, why);
        return 0;
    }
    if (a->credential) {
        r = secret_load(a->credential, credentials_dir, &a->secret, &reason);
        if (r == -ENOMEM)
            return r;
        if (r < 0) {
            (void) snprintf(a->problem, sizeof(a->problem), "sender \"%s\": %s", a->name, buf_string(&reason));
            return 0;
        }
    }
    a->sender = (struct sender) {.name = a->name,
                                 .base_url = a->base_url,
                                 .account = json_root(a->document),
                                 .secret = a->secret ? secret_reveal(a->secret) : NULL};
    return 0;
}

static int account_new(const char *name, const char *gateway, const char *base_url, const char *credential,
                       const char *settings, const char *credentials_dir, struct account **ret) {
    _cleanup_(account_unrefp) struct account *a = calloc(1, sizeof(*a));
    int r;

    if (!a)
        return -ENOMEM;
    a->references = 1;
    a->name = strdup(name);
    a->gateway_name = strdup(gateway);
    a->base_url = strdup(base_url);
    a->settings = strdup(settings);
    a->credential = credential ? strdup(credential) : NULL;
    if (!a->name || !a->gateway_name || !a->base_url || !a->settings || (credential && !a->credential))
        return -ENOMEM;
    r = account_prepare(a, credentials_dir);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(a);
    return 0;
}

static bool same(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Where the account of that name hangs, or where it would. */
static struct account **find_place(struct accounts *a, const char *name) {
    struct account **place = &a->first;

    while (*place && strcmp((*place)->name, name) != 0)
        place = &(*place)->next;
    return place;
}

int accounts_update(struct accounts *a, const char *name, const char *gateway, const char *base_url, const char *credential,
                    const char *settings) {
    struct account **place = find_place(a, name), *old = *place, *fresh;
    int r;

    if (old && old->problem[0] == '\0' && same(old->gateway_name, gateway) && same(old->base_url, base_url) &&
        same(old->credential, credential) && same(old->settings, settings))
        return 0;
    r = account_new(name, gateway, base_url, credential, settings, a->credentials_dir, &fresh);
    if (r < 0)
        return r;
    fresh->next = old ? old->next : NULL;
    *place = fresh;
    account_unref(old);
    return 0;
}

struct account *accounts_find(const struct accounts *a, const char *name) {
    for (struct account *i = a->first; i; i = i->next)
        if (strcmp(i->name, name) == 0) {
            i->references++;
            return i;
        }
    return NULL;
}

void accounts_doubt(struct accounts *a, const char *name) {
    struct account **place = find_place(a, name), *old = *place;

    if (!old)
        return;
    *place = old->next;
    account_unref(old);
}

void accounts_clear(struct accounts *a) {
    while (a->first) {
        struct account *old = a->first;

        a->first = old->next;
        account_unref(old);
    }
}
