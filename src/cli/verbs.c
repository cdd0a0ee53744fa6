#include "cli/cli.h"

#include <string.h>

#include "base/closest.h"

const struct verb *const cli_verbs[] = {
    &verb_migrate, &verb_run,  &verb_web,   &verb_sandbox, &verb_check,  &verb_groups, &verb_status,  &verb_list,      &verb_show,
    &verb_retry,   &verb_cancel, &verb_send,  &verb_sweep,   &verb_replay, &verb_pause,  &verb_resume,    &verb_pair,
    &verb_unpair,  &verb_preview, &verb_uninstall, NULL,
};

const struct verb *cli_find_verb(const char *name, const struct verb **ret_meant) {
    const struct verb *meant = NULL;
    size_t least = 3; /* letters that differ: more is another word */

    for (const struct verb *const *v = cli_verbs; *v; v++) {
        if (strcmp((*v)->name, name) == 0)
            return *v;
        size_t distance = closest_distance(name, (*v)->name);
        if (distance < least && distance < strlen((*v)->name)) {
            least = distance;
            meant = *v;
        }
    }
    *ret_meant = meant;
    return NULL;
}
