#include "daemon/task.h"

#include <stdlib.h>
#include <string.h>

struct task *task_free(struct task *t) {
    if (t) {
        free(t->rule);
        free(t->failure);
        free(t);
    }
    return NULL;
}

struct task *task_new(const char *rule, unsigned batch, uint64_t time_limit_usec) {
    struct task *t = calloc(1, sizeof(*t));

    if (!t)
        return NULL;
    t->rule = strdup(rule);
    if (!t->rule)
        return task_free(t);
    t->batch = batch;
    t->time_limit_usec = time_limit_usec;
    return t;
}

bool task_is(const struct task *t, const char *rule, bool is_sweep) {
    return t->is_sweep == is_sweep && strcmp(t->rule, rule) == 0;
}

void task_enqueue(struct task **queue, struct task *t) {
    while (*queue)
        queue = &(*queue)->next;
    t->next = NULL;
    *queue = t;
}

struct task *task_find(struct task *queue, const char *rule, bool is_sweep) {
    while (queue && !task_is(queue, rule, is_sweep))
        queue = queue->next;
    return queue;
}
