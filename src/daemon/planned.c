#include "daemon/planned.h"

#include <string.h>

#include "base/log.h"

void planned_log_swept(const struct store_planned *d) {
    const struct log_field fields[] = {{"PGHERALD_RULE", d->rule}, {0}};

    log_event(LOG_EVENT_SWEPT, LOG_INFO, fields,
              "swept: %lld found, %lld new, %lld known, %lld suppressed, %lld failed, took %s", (long long) d->found,
              (long long) d->fresh, (long long) d->known, (long long) d->suppressed, (long long) d->failed, d->took);
}

void planned_log_failed(const char *rule, const char *why) {
    const struct log_field fields[] = {{"PGHERALD_RULE", rule}, {"PGHERALD_REASON", why}, {0}};

    log_event(LOG_EVENT_RULE_FAILED, LOG_ERR, fields, "this rule can't be planned, and is tried again; the others go on");
}

void planned_log_outcome(const char *rule, const char *result, const char *error, int64_t set_aside) {
    const struct log_field fields[] = {{"PGHERALD_RULE", rule}, {"PGHERALD_REASON", error}, {0}};

    if (strcmp(result, "failed") == 0)
        planned_log_failed(rule, error);
    else if (strcmp(result, "flood") == 0)
        log_event(LOG_EVENT_RULE_PAUSED, LOG_WARNING, fields,
                  "this rule paused itself; look with `pgherald sweep RULE --dry-run`, then resume it");
    if (set_aside > 0)
        log_event(LOG_EVENT_RULE_FAILED, LOG_WARNING, fields,
                  "%lld keys of this rule could not be evaluated and are set aside: see herald.set_aside", (long long) set_aside);
}
