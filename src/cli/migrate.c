/* Brings the database to this program's schema.
 *
 * Migrations go forward only, each once, in a transaction of its own together with its record. Functions, views and grants can be
 * replaced in place: when the sum of their texts is another than the database's, all are applied anew. */
#include "cli/cli.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/embedded.h"
#include "base/parse.h"
#include "cli/migrate.h"

enum { DRY_RUN };
#define FUNCTIONS "sql/functions/"
#define GRANTS "sql/grants.sql"

enum { SERVER_VERSION_MIN = 140000, CODE_BYTES_MAX = 16 * 1024 * 1024 };

/* Columns of migrate_state. */
enum { STATE_SCHEMA, STATE_MIGRATIONS, STATE_CODE, STATE_FOREIGN_TABLE, STATE_VERSION_NUM, STATE_VERSION, STATE_DATABASE };

static const struct cli_option options[] = {
    [DRY_RUN] = {"dry-run", NULL, "Show what would be done."},
    {0},
};

/* What can be replaced in place, in the order in which it is applied. */
static const char *const code_prefixes[] = {FUNCTIONS, "sql/views/", GRANTS};

/* Columns of migrate_drop_undefined. */
enum { UNDEFINED_OBJECT, UNDEFINED_KEPT_FOR };

struct migrate {
    struct cli *cli;
    bool dry_run;
    int64_t known;   /* the highest migration this program has */
    int64_t applied; /* the highest the database has; 0: none */
    bool has_code;
    bool changed;
};

/* What is applied in one transaction. */
struct step {
    const struct embedded_file *file; /* a migration; NULL: all the code */
    const char *what;
    const char *checksum;
    const char *failed_in; /* for the error text */
    bool is_overtaken; /* another migrate has applied it meanwhile */
    struct pg_result *undefined; /* what had no definition any more, and whether it was dropped; owned */
};

static int64_t file_version(const struct embedded_file *file) {
    char digits[5] = "";
    int64_t version = 0;

    (void) snprintf(digits, sizeof(digits), "%s", file->path + strlen(MIGRATIONS_PREFIX));
    return parse_int(digits, 1, 9999, &version) < 0 ? 0 : version;
}

/* "0001_roles" of "migrations/0001_roles.sql". */
static void file_name(const struct embedded_file *file, char *ret_name, size_t size) {
    const char *base = strrchr(file->path, '/');
    const char *name = base ? base + 1 : file->path;

    (void) snprintf(ret_name, size, "%.*s", (int) strcspn(name, "."), name);
}

static const struct embedded_file *find_migration(int64_t version) {
    for (const struct embedded_file *f = embedded_next(MIGRATIONS_PREFIX, NULL); f; f = embedded_next(MIGRATIONS_PREFIX, f))
        if (file_version(f) == version)
            return f;
    return NULL;
}

/* SHA-256, by the server. NULL: it was said why not. */
static char *checksum_of(struct cli *cli, const char *text) {
    const char *parameters[] = {text};
    _cleanup_(pg_result_freep) struct pg_result *result = cli_query(cli, QUERY_MIGRATE_CHECKSUM, parameters, "migrate");
    char *checksum = result ? strdup(pg_text(result, 0, 0)) : NULL;

    if (result && !checksum)
        (void) cli_error("no memory");
    return checksum;
}

/* ---- What is there ---- */

static int refuse_foreign_table(const char *database) {
    (void) cli_error("database %s has a table public.whatsapp_notifications that is not pgherald's; rename it, and migrate again",
                     database);
    cli_print_text(stderr, FOREIGN_TABLE_REMEDY);
    return -EEXIST;
}

static int look(struct migrate *m) {
    _cleanup_(pg_result_freep) struct pg_result *state = cli_query(m->cli, QUERY_MIGRATE_STATE, NULL, "migrate");

    if (!state)
        return -EIO;
    m->has_code = pg_bool(state, 0, STATE_CODE);
    if (pg_int(state, 0, STATE_VERSION_NUM, 0) < SERVER_VERSION_MIN) {
        (void) cli_error("PostgreSQL %s is too old (pgherald needs version 14 or newer)", pg_text(state, 0, STATE_VERSION));
        return -EINVAL;
    }
    if (pg_bool(state, 0, STATE_SCHEMA) && !pg_bool(state, 0, STATE_MIGRATIONS)) {
        (void) cli_error("database %s has a schema herald that is not pgherald's (rename it, or choose another database)",
                         pg_text(state, 0, STATE_DATABASE));
        return -EEXIST;
    }
    if (pg_bool(state, 0, STATE_FOREIGN_TABLE))
        return refuse_foreign_table(pg_text(state, 0, STATE_DATABASE));
    return pg_bool(state, 0, STATE_MIGRATIONS) ? 1 : 0;
}

/* A file whose layout alone has changed names the checksums that it had: "-- formerly SHA256". */
static bool had_checksum(const struct embedded_file *file, const char *checksum) {
    char line[128];

    (void) snprintf(line, sizeof(line), "\n-- formerly %s\n", checksum);
    return strstr(file->data, line);
}

static int compare_migration(struct migrate *m, int64_t version, const char *name, const char *checksum) {
    const struct embedded_file *file = find_migration(version);

    if (!file) {
        (void) cli_error("this database has migration %s, and this pgherald knows schemas up to %lld (upgrade pgherald)", name,
                         (long long) m->known);
        return -EINVAL;
    }
    _cleanup_(freep) char *ours = checksum_of(m->cli, file->data);
    if (!ours)
        return -EIO;
    if (strcmp(ours, checksum) != 0 && !had_checksum(file, checksum)) {
        (void) cli_error("%s is not the file that this database was migrated with; a migration never changes once it was applied "
                         "(use the pgherald that made this schema, or a newer release)", file->path);
        return -EINVAL;
    }
    if (version > m->applied)
        m->applied = version;
    return 0;
}

static int compare(struct migrate *m) {
    _cleanup_(pg_result_freep) struct pg_result *rows = cli_query(m->cli, QUERY_MIGRATE_APPLIED, NULL, "migrate");

    if (!rows)
        return -EIO;
    for (size_t i = 0; i < pg_rows(rows); i++) {
        int r = compare_migration(m, pg_int(rows, i, 0, 0), pg_text(rows, i, 1) ?: "", pg_text(rows, i, 2) ?: "");
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- Applying ---- */

static int apply_file(struct cli *cli, struct step *step, const struct embedded_file *file, struct pg_error *reterr) {
    step->failed_in = file->path;
    int r = pg_wait_script(cli->pg, file->data, reterr);
    if (r >= 0)
        step->failed_in = NULL;
    return r;
}

static int run_statement(struct cli *cli, enum query query, const char *const *parameters, struct pg_error *reterr) {
    _cleanup_(pg_result_freep) struct pg_result *result = NULL;

    return pg_wait_query(cli->pg, query, parameters, &result, reterr);
}

static int name_file(const struct step *step, int r, struct pg_error *error) {
    if (r < 0 && step->failed_in && strcmp(error->sqlstate, "55P03") != 0) {
        char text[PG_ERROR_TEXT_BYTES];
        (void) snprintf(text, sizeof(text), "%.*s", (int) sizeof(text) - 1, error->text);
        (void) snprintf(error->text, sizeof(error->text), "%.100s: %.380s", step->failed_in, text);
    }
    return r;
}

static int ask(struct cli *cli, enum query query, const char *const *parameters, bool *ret, struct pg_error *reterr) {
    _cleanup_(pg_result_freep) struct pg_result *result = NULL;
    int r = pg_wait_query(cli->pg, query, parameters, &result, reterr);

    if (r >= 0)
        *ret = pg_bool(result, 0, 0);
    return r;
}

/* One migrates at a time, a step at a time. The table belongs to herald_owner. */
static int lock(struct cli *cli, struct pg_error *reterr) {
    int r = run_statement(cli, QUERY_MIGRATE_AS_OWNER, NULL, reterr);

    if (r >= 0)
        r = run_statement(cli, QUERY_MIGRATE_LOCK, NULL, reterr);
    return r < 0 ? r : run_statement(cli, QUERY_MIGRATE_AS_ONESELF, NULL, reterr);
}

static int apply_migration(struct cli *cli, struct step *step, const char *version, struct pg_error *reterr) {
    const char *parameters[] = {version, step->what, step->checksum};
    bool is_recorded = false;
    int r = ask(cli, QUERY_MIGRATE_IS_RECORDED, NULL, &is_recorded, reterr);

    if (r >= 0 && is_recorded)
        r = lock(cli, reterr);
    if (r >= 0 && is_recorded)
        r = ask(cli, QUERY_MIGRATE_IS_APPLIED, parameters, &step->is_overtaken, reterr);
    if (r < 0 || step->is_overtaken)
        return r;
    r = apply_file(cli, step, step->file, reterr);
    return r < 0 ? r : run_statement(cli, QUERY_MIGRATE_RECORD, parameters, reterr);
}

/* duplicate_schema, or unique_violation in the catalogue. */
static bool is_made_by_another(const struct pg_error *error) {
    return strcmp(error->sqlstate, "42P06") == 0 || strcmp(error->sqlstate, "23505") == 0;
}

static int migration_body(struct cli *cli, void *userdata, struct pg_error *reterr) {
    struct step *step = userdata;
    char version[24];

    (void) snprintf(version, sizeof(version), "%lld", (long long) file_version(step->file));
    int r = apply_migration(cli, step, version, reterr);
    /* Another has made the schema in this moment: as if it had locked what is not there yet. */
    if (r < 0 && file_version(step->file) == 1 && is_made_by_another(reterr))
        (void) snprintf(reterr->sqlstate, sizeof(reterr->sqlstate), "55P03");
    return name_file(step, r, reterr);
}

static int apply_files(struct cli *cli, struct step *step, const char *prefix, struct pg_error *reterr) {
    int r = 0;

    for (const struct embedded_file *f = embedded_next(prefix, NULL); f && r >= 0; f = embedded_next(prefix, f))
        r = apply_file(cli, step, f, reterr);
    return r;
}

static size_t count_files(const char *prefix) {
    size_t count = 0;

    for (const struct embedded_file *f = embedded_next(prefix, NULL); f; f = embedded_next(prefix, f))
        count++;
    return count;
}

/* After functions and views were written, and before the grants, which touch every function. */
static int drop_undefined(struct cli *cli, struct step *step, struct pg_error *reterr) {
    _cleanup_(buf_done) struct buf definitions = BUF_MAX(CODE_BYTES_MAX);

    for (const struct embedded_file *f = embedded_next(MIGRATIONS_PREFIX, NULL); f; f = embedded_next(MIGRATIONS_PREFIX, f))
        (void) buf_printf(&definitions, "%s\n", f->data);
    if (buf_error(&definitions) < 0) {
        *reterr = (struct pg_error) {.text = "no memory"};
        return buf_error(&definitions);
    }
    char functions[24];
    const char *parameters[] = {buf_string(&definitions), functions};
    (void) snprintf(functions, sizeof(functions), "%zu", count_files(FUNCTIONS));
    step->undefined = pg_result_free(step->undefined); /* of a try that met a lock */
    return pg_wait_query(cli->pg, QUERY_MIGRATE_DROP_UNDEFINED, parameters, &step->undefined, reterr);
}

/* What rules and watches generated may name what is to go, until it is made anew; it belongs to several roles, so who migrates
 * makes it. */
static int renew_and_drop(struct cli *cli, struct step *step, struct pg_error *reterr) {
    int r = run_statement(cli, QUERY_MIGRATE_AS_ONESELF, NULL, reterr);

    if (r >= 0)
        r = run_statement(cli, QUERY_MIGRATE_REGENERATE, NULL, reterr);
    if (r >= 0)
        r = run_statement(cli, QUERY_MIGRATE_AS_OWNER, NULL, reterr);
    return r < 0 ? r : drop_undefined(cli, step, reterr);
}

static int code_body(struct cli *cli, void *userdata, struct pg_error *reterr) {
    struct step *step = userdata;
    const char *parameters[] = {step->checksum};
    int r = lock(cli, reterr);

    if (r >= 0)
        r = run_statement(cli, QUERY_MIGRATE_FUNCTIONS_UNCHECKED, NULL, reterr);
    /* What is made here belongs to herald_owner, whoever migrates: functions run with their owner's rights. */
    if (r >= 0)
        r = run_statement(cli, QUERY_MIGRATE_AS_OWNER, NULL, reterr);
    for (size_t i = 0; i < ELEMENTSOF(code_prefixes) && r >= 0; i++) {
        if (strcmp(code_prefixes[i], GRANTS) == 0)
            r = renew_and_drop(cli, step, reterr);
        if (r >= 0)
            r = apply_files(cli, step, code_prefixes[i], reterr);
    }
    if (r >= 0)
        r = run_statement(cli, QUERY_MIGRATE_RECORD_CODE, parameters, reterr);
    return name_file(step, r, reterr);
}

static int apply_step(struct migrate *m, struct step *step, cli_body_fn body) {
    uint64_t start_usec = clock_monotonic_usec();

    m->changed = true;
    if (m->dry_run) {
        printf("%s would be applied\n", step->what);
        return 0;
    }
    printf("%s … ", step->what);
    (void) fflush(stdout);
    int r = cli_in_transaction(m->cli, step->what, body, step);
    if (r < 0)
        printf("failed\n");
    else if (step->is_overtaken)
        printf("done by another\n");
    else
        printf("done (%llu ms)\n", (unsigned long long) ((clock_monotonic_usec() - start_usec) / USEC_PER_MSEC));
    return r;
}

static int apply_migrations(struct migrate *m) {
    for (const struct embedded_file *f = embedded_next(MIGRATIONS_PREFIX, NULL); f; f = embedded_next(MIGRATIONS_PREFIX, f)) {
        char name[128];

        if (file_version(f) <= m->applied)
            continue;
        file_name(f, name, sizeof(name));
        _cleanup_(freep) char *checksum = checksum_of(m->cli, f->data);
        if (!checksum)
            return -EIO;
        struct step step = {.file = f, .what = name, .checksum = checksum};
        int r = apply_step(m, &step, migration_body);
        if (r < 0)
            return r;
    }
    return 0;
}

static void report_undefined(const struct pg_result *undefined) {
    for (size_t i = 0; undefined && i < pg_rows(undefined); i++) {
        const char *object = pg_text(undefined, i, UNDEFINED_OBJECT);
        const char *kept_for = pg_text(undefined, i, UNDEFINED_KEPT_FOR);

        if (kept_for)
            printf("  kept %s, which pgherald does not use any more: %s\n    (once nothing uses it: DROP %s;)\n", object, kept_for,
                   object);
        else
            printf("  dropped %s, which nothing defines any more\n", object);
    }
}

/* Of all the code together, each file with its path: one that moved or went away counts as a change. */
static char *code_checksum(struct cli *cli) {
    _cleanup_(buf_done) struct buf all = BUF_MAX(CODE_BYTES_MAX);

    for (size_t i = 0; i < ELEMENTSOF(code_prefixes); i++)
        for (const struct embedded_file *f = embedded_next(code_prefixes[i], NULL); f; f = embedded_next(code_prefixes[i], f))
            (void) buf_printf(&all, "-- %s\n%s\n", f->path, f->data);
    if (buf_error(&all) < 0) {
        (void) cli_error("no memory");
        return NULL;
    }
    return checksum_of(cli, buf_string(&all));
}

static int apply_code(struct migrate *m) {
    _cleanup_(freep) char *checksum = code_checksum(m->cli);
    _cleanup_(pg_result_freep) struct pg_result *current = NULL;
    struct step step = {.what = "functions, views and grants", .checksum = checksum};

    if (!checksum)
        return -EIO;
    if (m->has_code) {
        current = cli_query(m->cli, QUERY_MIGRATE_CODE, NULL, "migrate");
        if (!current)
            return -EIO;
        if (pg_rows(current) > 0 && strcmp(pg_text(current, 0, 0), checksum) == 0)
            return 0;
    }
    int r = apply_step(m, &step, code_body);
    if (r >= 0)
        report_undefined(step.undefined);
    pg_result_free(step.undefined);
    return r;
}

static int regenerate_body(struct cli *cli, void *userdata, struct pg_error *reterr) {
    int64_t *ret_made = userdata;
    _cleanup_(pg_result_freep) struct pg_result *result = NULL;
    int r = lock(cli, reterr);

    if (r >= 0)
        r = pg_wait_query(cli->pg, QUERY_MIGRATE_REGENERATE, NULL, &result, reterr);
    if (r >= 0)
        *ret_made = pg_int(result, 0, 0, 0);
    return r;
}

/* Each time, also where the code is known already: somebody may have altered one. */
static int regenerate(struct migrate *m) {
    int64_t made = 0;

    if (m->dry_run)
        return 0;
    int r = cli_in_transaction(m->cli, "functions of rules and watches", regenerate_body, &made);
    if (r >= 0 && made > 0) {
        printf("%lld functions of rules and watches made anew\n", (long long) made);
        m->changed = true;
    }
    return r;
}

static int migrate(struct migrate *m) {
    int r = cli_connect(m->cli);

    if (r >= 0)
        r = look(m);
    if (r > 0)
        r = compare(m);
    if (r >= 0)
        r = apply_migrations(m);
    if (r >= 0)
        r = apply_code(m);
    if (r >= 0)
        r = regenerate(m);
    return r;
}

static int run(struct cli *cli, const struct cli_arguments *arguments) {
    struct migrate m = {.cli = cli, .dry_run = arguments->option[DRY_RUN]};

    for (const struct embedded_file *f = embedded_next(MIGRATIONS_PREFIX, NULL); f; f = embedded_next(MIGRATIONS_PREFIX, f))
        m.known = file_version(f);
    if (migrate(&m) < 0)
        return EXIT_NO;
    if (!m.changed)
        printf("already at version %lld\n", (long long) m.known);
    else if (!m.dry_run)
        printf("now at version %lld\n", (long long) m.known);
    return EXIT_DONE;
}

const struct verb verb_migrate = {
    .name = "migrate",
    .synopsis = "[--dry-run]",
    .summary = "Bring the database to this program's schema; needs no superuser",
    .help = "Only what is missing is done; a second run changes nothing. Deliveries may go on meanwhile. What an earlier\n"
            "version defined and this one does not is dropped, unless something of yours uses it: that is kept and named.\n"
            "Restart pgherald and pgherald-web when it is done: those of the earlier version may call what has gone. A dry\n"
            "run does not show what would be dropped.",
    .options = options,
    .run = run,
};
