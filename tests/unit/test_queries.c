#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "io/queries.h"

static void test_table(void **state) {
    assert_true(QUERY_COUNT_ > 0);
    for (int q = 0; q < QUERY_COUNT_; q++) {
        const struct query_text *text = query_text((enum query) q);
        char highest[24], next[24];

        assert_true(*text->name && *text->text);
        assert_null(strchr(text->text, '\n'));
        (void) snprintf(highest, sizeof(highest), "$%zu", text->parameters);
        (void) snprintf(next, sizeof(next), "$%zu", text->parameters + 1);
        assert_true(text->parameters == 0 || strstr(text->text, highest));
        assert_null(text->parameters < 9 ? strstr(text->text, next) : NULL);
        for (int other = 0; other < q; other++)
            assert_string_not_equal(text->name, query_text((enum query) other)->name);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
