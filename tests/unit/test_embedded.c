#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/embedded.h"

/* Runs at the top of the source tree: what is embedded is what lies there, byte for byte. */
static void test_same_as_the_files(void **state) {
    const struct embedded_file *f, *previous = NULL;
    size_t count = 0;

    for (f = embedded_next("", NULL); f; previous = f, f = embedded_next("", f), count++) {
        char *bytes = malloc(f->size + 1);
        FILE *file = fopen(f->path, "re");

        assert_non_null(file);
        assert_non_null(bytes);
        assert_int_equal(fread(bytes, 1, f->size + 1, file), f->size);
        assert_memory_equal(bytes, f->data, f->size);
        assert_int_equal(f->data[f->size], '\0');
        assert_true(!previous || strcmp(previous->path, f->path) < 0);
        (void) fclose(file);
        free(bytes);
    }
    assert_int_equal(count, embedded_files_count);
    assert_true(count > 0);
}

static void test_find(void **state) {
    const struct embedded_file *sample = embedded_find("packaging/pgherald.conf");

    assert_non_null(sample);
    assert_non_null(strstr(sample->data, "#dsn ="));
    assert_null(embedded_find("packaging/pgherald"));
    assert_null(embedded_find(""));
    assert_ptr_equal(embedded_next("packaging/pgherald.c", NULL), sample);
    assert_null(embedded_next("packaging/pgherald.c", sample));
    assert_null(embedded_next("nonexistent/", NULL));
}

static void test_prefix(void **state) {
    const struct embedded_file *f;
    size_t count = 0;

    for (f = embedded_next("migrations/", NULL); f; f = embedded_next("migrations/", f), count++)
        assert_memory_equal(f->path, "migrations/", 11);
    assert_true(count > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_the_files),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_prefix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
