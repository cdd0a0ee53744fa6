#include "cli/hold.h"

#include <string.h>

int cli_hold_words(const struct verb *verb, const struct cli_arguments *arguments, const char **ret_kind, const char **ret_name) {
    static const char *const kinds[] = {"rule", "sender", "channel", "recipient", "template"};
    const char *kind = arguments->words[0];

    if (!kind || (strcmp(kind, "all") == 0 && arguments->word_count == 1)) {
        *ret_kind = "all";
        *ret_name = NULL;
        return EXIT_DONE;
    }
    for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
        if (strcmp(kinds[i], kind) != 0)
            continue;
        if (arguments->word_count < 2)
            return cli_usage_error(verb, "which %s?", kind);
        *ret_kind = kind;
        *ret_name = arguments->words[1];
        return EXIT_DONE;
    }
    return cli_usage_error(verb, "\"%s\" is none of rule, sender, channel, recipient and template", kind);
}

int cli_print_told(const struct pg_result *result) {
    for (size_t i = 0; i < pg_rows(result); i++)
        cli_print_text(stdout, pg_columns(result) > 0 && pg_text(result, i, 0) ? pg_text(result, i, 0) : "");
    return EXIT_DONE;
}
