"""What owners of views, functions, types and watched tables try: nothing that they do outlives its evaluation, or runs as another.

tenant_a owns a rule's view and a watched table, and tenant_b another's; neither has any right on schema herald."""

import re
import select

import psycopg2
import pytest

from conftest import Database, copied_database
from player import Daemon, add_senders, login

VIEW = """SELECT o.id AS key, o.id::text AS dedup_key, {recipient} AS recipient, '{{}}'::jsonb AS data, 'Note ' || o.note AS body
            FROM {schema}.orders o"""


def make_tenant(db, schema):
    """A role with a schema, a watched table and a rule over a view of its own."""
    role = f"tenant_{schema}"
    db.cluster.sql(f"DO $$ BEGIN IF to_regrole('{role}') IS NULL THEN CREATE ROLE {role} LOGIN; END IF; END $$")
    db.sql(f"""CREATE SCHEMA {schema} AUTHORIZATION {role}; SET ROLE {role};
               CREATE TABLE {schema}.orders (id int PRIMARY KEY, note text); GRANT INSERT ON {schema}.orders TO PUBLIC;
               CREATE VIEW {schema}.due AS {VIEW.format(schema=schema, recipient="'+8801700000001'::text")};
               GRANT USAGE ON SCHEMA {schema} TO PUBLIC; GRANT SELECT ON {schema}.due TO herald_rules; RESET ROLE;
               SELECT herald.add_rule('{schema}', '{schema}.due'), herald.watch('{schema}.orders', '{schema}'), herald.resume('rule', '{schema}')""")


@pytest.fixture(scope="module")
def tenants_template(cluster, template):
    """A database with two tenants and a sender with a secret, to be copied."""
    cluster.sql(f"CREATE DATABASE herald_tenants TEMPLATE {template}")
    db = Database(cluster, "herald_tenants")
    add_senders(db, "main", base_url="https://gateway.example")
    for schema in ("a", "b"):
        make_tenant(db, schema)
    db.sql("SELECT herald.attend('nobody', 0, 0)")
    db.close()
    yield "herald_tenants"
    cluster.sql("DROP DATABASE herald_tenants")


@pytest.fixture
def tenants(cluster, tenants_template):
    """A copy of that."""
    yield from copied_database(cluster, tenants_template)


@pytest.fixture
def attack(tenants):
    """attack(body, setup): tenant_a's view calls a PL/pgSQL function of this body for each row."""
    def install(body, setup=""):
        with tenants.connect("tenant_a") as connection, connection.cursor() as cursor:
            cursor.execute(f"""CREATE SCHEMA IF NOT EXISTS evil; GRANT USAGE, CREATE ON SCHEMA evil TO PUBLIC; {setup};
                CREATE OR REPLACE FUNCTION evil.f(t text) RETURNS text LANGUAGE plpgsql AS $f$ BEGIN {body}; RETURN t; END $f$;
                CREATE OR REPLACE VIEW a.due AS {VIEW.format(schema='a', recipient="evil.f('+8801700000001')")}""")

    tenants.cluster.sql(f"GRANT CREATE ON DATABASE {tenants.name} TO tenant_a")
    return install


@pytest.fixture
def daemon(tenants):
    player = Daemon(tenants)
    yield player
    player.close()


def session(daemon):
    """What could be left in the daemon's session."""
    with daemon.connection.cursor() as cursor:
        cursor.execute("""SELECT coalesce(json_object_agg(s.name, s.setting)::text, '') FROM pg_settings s WHERE s.source = 'session'""")
        settings = cursor.fetchone()[0]
        cursor.execute("""SELECT current_setting('search_path'), coalesce(current_setting('herald.now', true), ''), coalesce(current_setting('evil.left', true), ''),
                                 current_user, (SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relname LIKE 'evil%'),
                                 (SELECT count(*) FROM pg_listening_channels()), (SELECT count(*) FROM pg_cursors WHERE is_holdable),
                                 (SELECT count(*) FROM pg_prepared_statements),
                                 (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'
                                                                  AND objid <> hashtext('node-1')::bit(32)::bigint)""")
        return settings, cursor.fetchone()


def catalog(db):
    """All functions of schema herald, with what could be altered."""
    return db.sql("""SELECT p.oid::regprocedure::text, p.prosecdef, p.proconfig, p.proowner::regrole::text, p.proacl::text, md5(p.prosrc)
                       FROM pg_proc p WHERE p.pronamespace = 'herald'::regnamespace ORDER BY 1""")


# What a view's function may try to leave behind, each for good: set_config(…, false) and SET are not SET LOCAL.
LEFTOVERS = {
    "search_path": "PERFORM pg_catalog.set_config('search_path', 'evil, pg_catalog', false)",
    "SET": "SET search_path = evil, pg_catalog",
    "SET LOCAL": "SET LOCAL search_path = evil, pg_catalog",
    "read only": "PERFORM pg_catalog.set_config('default_transaction_read_only', 'on', false)",
    "transaction read only": "PERFORM pg_catalog.set_config('transaction_read_only', 'on', false)",
    "the replay's clock": "PERFORM pg_catalog.set_config('herald.now', '2020-01-01', false)",
    "a setting of one's own": "PERFORM pg_catalog.set_config('evil.left', 'x', false)",
    "formats": "SET timezone = 'Asia/Tokyo'; SET datestyle = 'SQL, DMY'; SET intervalstyle = 'iso_8601'; SET bytea_output = 'escape'",
    "time limits": "SET statement_timeout = 1; SET lock_timeout = 1; SET idle_in_transaction_session_timeout = 1",
    "flushing": "SET synchronous_commit = off",
    "plans": "SET enable_indexscan = off; SET enable_seqscan = off; SET plan_cache_mode = force_custom_plan",
    "row security": "SET row_security = off",
    "RESET ALL": "RESET ALL",
    "a temporary table": "CREATE TEMP TABLE IF NOT EXISTS evil_left (x int)",
    "a temporary function": "CREATE OR REPLACE FUNCTION pg_temp.evil_left() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "its own function": "ALTER FUNCTION herald.source_1() SECURITY INVOKER SET search_path = evil, pg_catalog",
    "its own function, by key": "ALTER FUNCTION herald.source_1(text[]) SECURITY INVOKER SET search_path = evil, pg_catalog",
    "another's function": "ALTER FUNCTION herald.source_2() SECURITY INVOKER SET search_path = evil, pg_catalog",
    "another's function's rights": "GRANT EXECUTE ON FUNCTION herald.source_2() TO PUBLIC",
    "another's function, dropped": "DROP FUNCTION herald.still_2(text[])",
    "listening": "LISTEN herald",
    "a cursor": "EXECUTE 'DECLARE evil_left CURSOR WITH HOLD FOR SELECT 1'",
    "a prepared statement": "EXECUTE 'PREPARE evil_left AS SELECT 1'",
    "an advisory lock": "PERFORM pg_catalog.pg_advisory_lock(42)",
    "a shared advisory lock": "PERFORM pg_catalog.pg_advisory_lock_shared(4, 2)",
}


@pytest.mark.parametrize("kind", ["sweep", "events"])
@pytest.mark.parametrize("left", LEFTOVERS)
def test_nothing_of_a_views_function_is_left(tenants, attack, daemon, left, kind):
    db = tenants
    attack(LEFTOVERS[left])
    db.sql("INSERT INTO a.orders VALUES (1, 'x')")
    before = session(daemon), catalog(db)
    done = daemon.plan("a", kind)
    assert (done["result"], done["new"]) == ("done", 1), done
    assert (session(daemon), catalog(db)) == before
    # The other tenant's rule is planned in the same session as if nothing had been.
    db.sql("INSERT INTO b.orders VALUES (1, 'secret of b')")
    done = daemon.plan("b", kind)
    assert (done["result"], done["new"]) == ("done", 1), done
    assert db.value("SELECT count(*) FROM whatsapp_notifications WHERE rule = 'b' AND created_at > now() - interval '1 min'") == 1


def test_a_failure_leaves_nothing_either(tenants, attack, daemon):
    everything = "; ".join(body for left, body in LEFTOVERS.items() if left not in ("RESET ALL", "transaction read only", "read only"))
    attack(f"{everything}; RAISE EXCEPTION 'and fails'")
    tenants.sql("INSERT INTO a.orders VALUES (1, 'x')")
    before = session(daemon), catalog(tenants)
    for kind in ("sweep", "events"):
        assert daemon.plan("a", kind)["new"] == 0
        assert (session(daemon), catalog(tenants)) == before


def test_a_call_that_is_cut_off_leaves_no_lock(tenants, attack, daemon):
    attack("PERFORM pg_catalog.pg_advisory_lock(42); PERFORM pg_catalog.pg_sleep(60)")
    tenants.sql("INSERT INTO a.orders VALUES (1, 'x')")
    before = session(daemon)
    daemon.limit(0.3)
    with pytest.raises(psycopg2.errors.QueryCanceled):
        daemon.plan("a", "sweep")
    daemon.connection.rollback()
    daemon.limit(0)
    with daemon.connection.cursor() as cursor:
        cursor.execute("SELECT herald.plan_failed('a', 'sweep', 'it was cut off')")  # as the daemon does then
    assert session(daemon)[1] == before[1]


def test_what_it_writes_and_tells_is_undone(tenants, attack, daemon):
    attack("INSERT INTO evil.told VALUES (t); NOTIFY herald, 'from evil'; PERFORM pg_catalog.lo_create(4711)",
           "CREATE TABLE evil.told (t text); GRANT INSERT ON evil.told TO PUBLIC")
    tenants.sql("LISTEN herald; INSERT INTO a.orders VALUES (1, 'x')")
    daemon.plan("a", "sweep")
    assert tenants.value("SELECT count(*) FROM evil.told") == 0
    assert tenants.value("SELECT count(*) FROM pg_largeobject_metadata") == 0
    select.select([tenants.connection], [], [], 0.2)
    tenants.connection.poll()
    assert "from evil" not in [notify.payload for notify in tenants.connection.notifies]


def test_locks_end_with_the_evaluation_and_not_with_the_transaction(tenants, attack, daemon):
    attack("LOCK TABLE evil.mine IN ACCESS EXCLUSIVE MODE; PERFORM pg_catalog.pg_advisory_xact_lock(42)",
           "CREATE TABLE evil.mine (); GRANT ALL ON evil.mine TO PUBLIC")
    tenants.sql("INSERT INTO a.orders VALUES (1, 'x')")
    with daemon.connection.cursor() as cursor:
        cursor.execute("BEGIN")
        assert daemon.plan("a", "sweep")["new"] == 1
        assert tenants.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42") == 0
        assert tenants.value("SELECT count(*) FROM pg_locks WHERE relation = 'evil.mine'::regclass") == 0
        cursor.execute("COMMIT")


def test_no_name_of_the_planners_is_led_astray(tenants, attack, daemon):
    """The attack of a whole: functions and operators of the attacker's where the planner's statements look for theirs."""
    trap = """CREATE OR REPLACE FUNCTION evil.{name}({arguments}) RETURNS {returns} LANGUAGE plpgsql AS $t$ BEGIN
                  IF current_user <> 'herald_rules' THEN UPDATE herald.senders SET base_url = 'http://evil.example'; END IF;
                  RETURN {result}; END $t$;"""
    setup = (trap.format(name="clock_timestamp", arguments="", returns="timestamptz", result="pg_catalog.clock_timestamp()")
             + trap.format(name="cardinality", arguments="anyarray", returns="int", result="pg_catalog.cardinality($1)")
             + trap.format(name="same", arguments="text, text", returns="boolean", result="$1 OPERATOR(pg_catalog.=) $2")
             + trap.format(name="other", arguments="name, name", returns="boolean", result="false")
             + "CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.same);"
               "CREATE OPERATOR evil.<> (LEFTARG = name, RIGHTARG = name, FUNCTION = evil.other);"
               "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA evil TO PUBLIC")
    attack("PERFORM pg_catalog.set_config('search_path', 'evil, pg_catalog, pg_temp', false);"
           "ALTER FUNCTION herald.source_1() SECURITY INVOKER SET search_path = evil, pg_catalog;"
           "ALTER FUNCTION herald.source_1(text[]) SECURITY INVOKER SET search_path = evil, pg_catalog", setup)
    tenants.sql("INSERT INTO a.orders VALUES (1, 'x'); INSERT INTO b.orders VALUES (1, 'y')")
    for _ in range(2):
        with daemon.connection.cursor() as cursor:
            cursor.execute("SELECT * FROM herald.plan_and_claim(%s, %s, 10, 100)", (daemon.incarnation, 1))
        daemon.plan("a", "sweep")
        daemon.plan("b", "sweep")
        daemon.turn()
    operator = tenants.connect(login(tenants.cluster, "herald_operator"))
    with operator.cursor() as cursor:
        cursor.execute("SELECT * FROM herald.sweep_dry_run('a'); SELECT * FROM herald.replay('a', '1 hour'); SHOW search_path")
        assert "evil" not in cursor.fetchone()[0]
    operator.close()
    tenants.sql("SELECT herald.resume('rule', 'a', true), herald.check()")
    assert tenants.value("SELECT base_url FROM herald.senders") == "https://gateway.example"
    assert tenants.value("SELECT count(*) FROM whatsapp_notifications WHERE rule IN ('a', 'b')") == 2


LOOKS = ["SELECT * FROM herald.sweep_dry_run('a')", "SELECT * FROM herald.replay('a', '1 hour')", "SELECT herald.resume('rule', 'a', true)"]


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("look", LOOKS)
def test_an_operators_session_is_as_it_was(tenants, attack, look, fails):
    """Locks and prepared statements of a view's are gone, the operator's own are there."""
    attack("PERFORM pg_catalog.pg_advisory_lock(42); EXECUTE 'PREPARE evil_left AS SELECT 1'; EXECUTE 'DEALLOCATE \"S_1\"';"
           "EXECUTE 'PREPARE \"S_1\" AS SELECT 2'" + ("; RAISE EXCEPTION 'and fails'" if fails else ""))
    tenants.sql("INSERT INTO a.orders VALUES (1, 'x')")
    operator = tenants.connect(login(tenants.cluster, "herald_operator"))
    with operator.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(7); PREPARE \"S_1\" AS SELECT 1; PREPARE own AS SELECT 1")
        if fails:
            with pytest.raises(psycopg2.Error):
                cursor.execute(look)
        else:
            cursor.execute(look)
        cursor.execute("SELECT array_agg(objid::int) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
        assert cursor.fetchone()[0] == [7]
        cursor.execute("SELECT array_agg(name) FROM pg_prepared_statements")
        assert cursor.fetchone()[0] == ["own"], "what a view has put in another's place is gone, and its name fails"
    operator.close()


def test_a_long_error_is_cut(tenants, attack, daemon):
    attack("RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = repeat('x', 10000000)")
    tenants.sql("INSERT INTO a.orders VALUES (1, 'x')")
    assert len(daemon.plan("a", "sweep")["error"]) < 3000
    attack("RAISE EXCEPTION USING ERRCODE = 'P0001', MESSAGE = repeat('x', 10000000)")
    daemon.plan("a", "events")
    assert tenants.value("SELECT max(length(error)) FROM herald.set_aside") < 3000


def test_a_schema_that_somebody_else_made_is_not_looked_into(empty_db, cluster):
    """A view of theirs would run as who migrates."""
    cluster.sql("DO $$ BEGIN IF to_regrole('mallory') IS NULL THEN CREATE ROLE mallory LOGIN; END IF; END $$")
    cluster.sql(f"GRANT CREATE ON DATABASE {empty_db.name} TO mallory")
    with empty_db.connect("mallory") as connection, connection.cursor() as cursor:
        cursor.execute("""CREATE SCHEMA herald; CREATE FUNCTION herald.evil() RETURNS int LANGUAGE plpgsql
                          AS $$ BEGIN RAISE WARNING 'ran as %', current_user; RETURN 1; END $$;
                          CREATE VIEW herald.migrations AS SELECT herald.evil() AS version, 'x' AS name, 'x' AS checksum;
                          CREATE VIEW herald.code AS SELECT 'x' AS checksum FROM (SELECT herald.evil()) e;
                          GRANT USAGE ON SCHEMA herald TO PUBLIC; GRANT SELECT ON herald.migrations, herald.code TO PUBLIC""")
    for options in ([], ["--dry-run"]):
        done = empty_db.pgherald("migrate", *options, status=1)
        assert "a schema herald that is not pgherald's" in done.stderr and "ran as" not in done.stderr


def test_the_first_statement_of_a_session_is_led_astray_by_no_search_path(empty_db):
    empty_db.sql(f"""CREATE SCHEMA evil; CREATE FUNCTION evil.set_config(text, text, boolean) RETURNS text LANGUAGE plpgsql
                     AS $$ BEGIN CREATE TABLE evil.ran (); RETURN ''; END $$;
                     ALTER DATABASE {empty_db.name} SET search_path = evil, pg_catalog""")
    empty_db.pgherald("migrate", status=0)
    assert empty_db.value("SELECT to_regclass('evil.ran')") is None


def test_a_session_of_a_dead_daemons_keeps_no_daemon_from_joining(tenants, daemon):
    """A planner's, in which a view's function has taken the lock of the node's name, and does not end."""
    daemon.close()
    orphan = tenants.connect(login(tenants.cluster, "herald_daemon"))
    with orphan.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtext('herald.node'), hashtext('node-1'))")
        successor = Daemon(tenants)
        with pytest.raises(psycopg2.Error, match="is running already|lock timeout"):
            orphan.autocommit = False
            Daemon(tenants)  # a second one is refused by the first all the same
    successor.close()
    orphan.close()


def test_metrics_bear_what_waits_for_ever(tenants):
    tenants.sql("SELECT herald.send('+8801700000001', 'x'); UPDATE whatsapp_notifications SET next_at = 'infinity'; SELECT * FROM herald.metrics()")


def test_check_says_who_could_replace_the_history(tenants):
    """And its remedies work."""
    def said():
        return [remedy for subject, _, remedy in tenants.sql("SELECT * FROM herald.check()") if subject == "schema public"]

    assert said() == []
    tenants.sql("ALTER SCHEMA public OWNER TO tenant_a")
    remedy, = said()
    owner, _, trust = remedy.partition("  or trust them with the credentials of all senders: ")
    tenants.sql(owner)
    assert said() == []
    assert tenants.value("SELECT has_schema_privilege('tenant_a', 'public', 'CREATE')")
    tenants.sql("ALTER SCHEMA public OWNER TO tenant_a")
    assert said() == [remedy]
    tenants.sql(f"BEGIN; {trust}")
    assert said() == []
    tenants.sql("ROLLBACK")


@pytest.mark.parametrize("sqlstate", ["HR001", "HR003", "HR004"])
def test_a_view_cannot_speak_for_the_planner(tenants, attack, daemon, sqlstate):
    """By an error of the planner's own kinds: a flood, a dry run's end, or that an evaluation was whole."""
    attack(f"RAISE EXCEPTION USING ERRCODE = '{sqlstate}', MESSAGE = '[]'")
    tenants.sql("INSERT INTO a.orders VALUES (1, 'x')")
    assert daemon.plan("a", "events")["set_aside"] == 1
    assert tenants.value("SELECT count(*) FROM herald.holds WHERE name = 'a'") == 0
    with pytest.raises(psycopg2.Error):
        tenants.sql("SELECT * FROM herald.sweep_dry_run('a')")


# --- the key's type ---

RUNS_AS = """CREATE FUNCTION evil.tell() RETURNS boolean LANGUAGE plpgsql AS $t$ BEGIN
                 RAISE WARNING 'ran as %', current_user; RETURN true; END $t$;
             CREATE FUNCTION evil.k_text(evil.k) RETURNS text LANGUAGE plpgsql AS $t$ BEGIN PERFORM evil.tell(); RETURN 'stolen'; END $t$;
             CREATE CAST (evil.k AS text) WITH FUNCTION evil.k_text(evil.k);
             GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA evil TO PUBLIC; GRANT USAGE ON TYPE evil.k TO PUBLIC"""
TYPES = {"a composite type": ("CREATE TYPE evil.k AS (v bigint)", "row(1)::evil.k"),
         "an enum": ("CREATE TYPE evil.k AS ENUM ('one')", "'one'::evil.k"),
         "a range": ("CREATE TYPE evil.k AS RANGE (subtype = int8)", "'[1,2)'::evil.k")}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("columns", [None, ["note"]])
def test_the_cast_of_a_key_runs_as_nobody(tenants, attack, kind, columns):
    made, value = TYPES[kind]
    attack("PERFORM 1", f"{made}; {RUNS_AS}")
    with tenants.connect("tenant_a") as connection, connection.cursor() as cursor:
        cursor.execute("DROP VIEW a.due CASCADE; ALTER TABLE a.orders ALTER id DROP DEFAULT; ALTER TABLE a.orders DROP CONSTRAINT orders_pkey;"
                       f"ALTER TABLE a.orders ALTER id TYPE evil.k USING {value}")
    tenants.sql("UPDATE herald.watches SET columns = %s WHERE rule = 'a'; SELECT herald.generate_capture(id) FROM herald.watches", columns)
    del tenants.connection.notices[:]
    tenants.sql(f"INSERT INTO a.orders VALUES ({value}, 'x'); UPDATE a.orders SET note = 'y'")
    assert tenants.connection.notices == []
    assert tenants.value("SELECT count(*) FROM herald.events WHERE rule = 'a' AND key <> 'stolen'") >= 1


def test_a_key_of_any_type_is_found_again(tenants, daemon):
    """What the capture function writes is what the lookup reads, also where output function and cast differ."""
    values = {"boolean": "true", "char(5)": "'ab'", "bytea": r"'\x00ff'", "timestamptz": "now()", "date": "current_date", "interval": "'90 s'",
              "numeric": "1.50", "float8": "0.1", "uuid": "gen_random_uuid()", "jsonb": "'{\"a\": 1}'", "inet": "'10.0.0.1'",
              "int4range": "'[1,5)'", "\"char\"": "'x'", "name": "'n'", "money": "'1.25'", "bit(3)": "B'101'"}
    for number, (kind, value) in enumerate(values.items()):
        tenants.sql(f"""CREATE TABLE public.t{number} (id {kind}, note text);
                        CREATE VIEW public.v{number} AS SELECT id AS key, 'k'::text AS dedup_key, '+8801700000001'::text AS recipient,
                               '{{}}'::jsonb AS data, 'b'::text AS body FROM public.t{number};
                        GRANT SELECT ON public.v{number} TO herald_rules;
                        SELECT herald.add_rule('r{number}', 'public.v{number}'), herald.watch('public.t{number}', 'r{number}'),
                               herald.resume('rule', 'r{number}');
                        DELETE FROM herald.events; INSERT INTO public.t{number} VALUES ({value}, 'x')""")
        assert daemon.plan(f"r{number}", "events")["new"] == 1, kind


# --- generated functions that somebody has altered ---


def test_an_altered_function_refuses_to_run(tenants, daemon):
    """As a superuser could, or whoever runs as their owner."""
    tenants.sql("INSERT INTO a.orders VALUES (1, 'x')")
    tenants.sql("ALTER FUNCTION herald.source_1() SECURITY INVOKER; ALTER FUNCTION herald.source_1(text[]) SECURITY INVOKER")
    for kind in ("sweep", "events"):
        done = daemon.plan("a", kind)
        assert done["result"] == "failed" and "somebody has altered it" in done["error"]
    for statement in ("SELECT * FROM herald.sweep_dry_run('a')", "SELECT herald.resume('rule', 'a', true)"):
        with pytest.raises(psycopg2.Error, match="somebody has altered it"):
            tenants.sql(statement)


def test_an_altered_capture_function_captures_nothing_and_fails_nobody(tenants):
    """The sweep finds what it would have captured; check says what to do."""
    tenants.sql("ALTER FUNCTION herald.capture_1_insert() SECURITY INVOKER")
    tenants.sql("DELETE FROM herald.events; INSERT INTO a.orders VALUES (1, 'x')")
    assert tenants.value("SELECT count(*) FROM herald.events") == 0 and "somebody has altered it" in tenants.connection.notices[-1]
    [(subject, problem, remedy)] = [row for row in tenants.sql("SELECT * FROM herald.check()") if "altered" in row[1]]
    assert (subject, remedy) == ('rule "a"', "pgherald migrate makes it anew.") and "herald.capture_1_insert()" in problem
    tenants.pgherald("migrate", status=0)
    tenants.sql("INSERT INTO a.orders VALUES (2, 'x')")
    assert tenants.column("SELECT key FROM herald.events") == ["2"]
    assert not [row for row in tenants.sql("SELECT * FROM herald.check()") if "altered" in row[1]]


KEYWORD_TYPES = {"boolean", "bigint", "int"}  # the grammar's own: no search_path leads them astray


def test_generated_functions_begin_with_a_guard_of_qualified_names(tenants):
    """What is altered to SECURITY INVOKER, with another search_path, does nothing before the guard: not by a type that it declares."""
    generated = tenants.sql("""SELECT p.oid::regprocedure::text, p.prosrc, p.proowner::regrole::text FROM pg_proc p
                                WHERE p.pronamespace = 'herald'::regnamespace AND p.proname ~ '^(source|still|keys|capture)_[0-9]'""")
    assert len(generated) == 14
    for name, body, owner in generated:
        declared = re.findall(r"^\s*(?:\w+) (?:CONSTANT )?([\w.\[\]]+)(?: :=.*)?;", body.split("BEGIN", 1)[0], re.M)
        declared += re.findall(r"DECLARE \w+ ([\w.\[\]]+);", body)
        assert all(kind in KEYWORD_TYPES or kind.startswith(("pg_catalog.", "herald.")) for kind in declared), (name, declared)
        first = body.split("BEGIN", 1)[1].strip()
        assert first.startswith(f"IF current_user OPERATOR(pg_catalog.<>) '{owner}'::pg_catalog.name THEN RAISE "), name
        assert "USING ERRCODE" in first.split("END IF;", 1)[0] or "RETURN NULL; END IF;" in first, name


def test_definer_functions_pin_their_search_path(tenants):
    """Of what stands in the schema; also of those that are owned by the roles that users' SQL runs as."""
    assert tenants.column("""SELECT p.oid::regprocedure::text FROM pg_proc p
                              WHERE p.pronamespace = 'herald'::regnamespace AND p.prosecdef
                                AND NOT ('search_path=pg_catalog, pg_temp' = ANY (p.proconfig)) IS NOT FALSE""") == []
