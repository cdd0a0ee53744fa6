"""Who may do what: every role and every object, each cell tried; and what keeps SECURITY DEFINER functions safe."""

import re

import psycopg2
import pytest

from player import Daemon, add_rule, add_senders, login

READS = {"check", "check_groups", "e164", "explain", "lane_is_held", "list", "list_groups", "local_time", "next_window", "now", "preview", "sender_accounts", "setting",
         "show"}
FUNCTIONS = {
    "herald_daemon": {"attend", "backstop", "horizon", "join", "leave", "plan", "plan_and_claim", "plan_failed", "prove_bell", "tell", "turn"},
    "herald_web": {"hear", "metrics", "receive", "web_looks", "web_senders"},
    "herald_reader": READS,
    "herald_operator": READS | {"cancel", "opt_in", "opt_out", "pair", "pause", "resume", "retry", "retry_all", "replay", "ring", "send", "sweep", "sweep_dry_run",
                        "unpair"},
    "herald_capture": {"capture_as_sweep", "ring_bell"},
    "herald_rules": {"e164", "keys_1", "next_window", "now", "source_1", "still_1"},
    "nobody": set(),
}
TABLES = {
    "herald_daemon": set(),
    "herald_web": set(),
    "herald_reader": {"SELECT"},
    "herald_operator": {"SELECT"},
    "herald_rules": set(),
    "nobody": set(),
}

# The code by which a session is paired is not for readers: they see the other columns.
IN_PART = {("herald_reader", "herald.health"), ("herald_reader", "herald.sessions")}


@pytest.fixture(scope="module")
def outsider(cluster, template):
    """A login role that is a member of nothing."""
    cluster.sql("DO $$ BEGIN IF to_regrole('login_nobody') IS NULL THEN CREATE ROLE login_nobody LOGIN; END IF; END $$")
    return "login_nobody"


@pytest.fixture
def full(db):
    """A database with a rule and a watch, so that what they generate is there too."""
    db.sql("CREATE TABLE public.reading (id int PRIMARY KEY)")
    add_rule(db, "readings", "SELECT id AS key, id::text AS dedup_key, '+8801700000001'::text AS recipient, '{}'::jsonb AS data, 'b'::text AS body FROM public.reading")
    db.sql("SELECT herald.watch('public.reading', 'readings')")
    add_senders(db, "wa")
    return db


def connect_as(db, role, outsider):
    """A connection with the rights of role alone."""
    return db.connect(outsider if role == "nobody" else login(db.cluster, role))


def sqlstate(cursor, statement):
    """The SQLSTATE that a statement ends with; None: it succeeds."""
    try:
        cursor.execute(statement)
        return None
    except psycopg2.Error as error:
        return error.pgcode


@pytest.mark.parametrize("role", TABLES)
def test_tables(full, outsider, role):
    tables = full.sql("""SELECT c.oid::regclass::text, (SELECT quote_ident(a.attname) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0
                                AND a.attidentity = '' LIMIT 1), c.relkind
                           FROM pg_class c WHERE (c.relnamespace = 'herald'::regnamespace OR c.relname = 'whatsapp_notifications') AND c.relkind IN ('r', 'v')""")
    assert len(tables) > 20
    connection = connect_as(full, role, outsider)
    with connection.cursor() as cursor:
        for table, column, kind in tables:
            tries = {"SELECT": f"SELECT * FROM {table} LIMIT 1", "INSERT": f"INSERT INTO {table} DEFAULT VALUES",
                     "UPDATE": f"UPDATE {table} SET {column} = {column}", "DELETE": f"DELETE FROM {table}",
                     "TRUNCATE": f"TRUNCATE {table}"}
            for what, statement in tries.items():
                if kind == "v" and what != "SELECT" or not column and what == "UPDATE":
                    continue
                expected = None if what in TABLES[role] and (role, table) not in IN_PART else "42501"
                assert sqlstate(cursor, statement) == expected, f"{role}: {statement}"
    connection.close()


@pytest.mark.parametrize("role", FUNCTIONS)
def test_functions(full, outsider, role):
    functions = full.sql("""SELECT p.proname, format('SELECT herald.%I(%s)', p.proname, (SELECT string_agg('NULL::' || format_type(t, NULL), ', ' ORDER BY n)
                                   FROM unnest(p.proargtypes) WITH ORDINALITY u (t, n)))
                              FROM pg_proc p WHERE p.pronamespace = 'herald'::regnamespace AND p.prorettype <> 'trigger'::regtype""")
    names = {name for name, _ in functions}
    assert len(names) > 60 and FUNCTIONS[role] <= names
    connection = connect_as(full, role, outsider)
    with connection.cursor() as cursor:
        for name, call in functions:
            cursor.execute("SET statement_timeout = '1s'")
            state = sqlstate(cursor, call)
            assert (state == "42501") == (name not in FUNCTIONS[role]), f"{role}: {call} ended with {state}"
    connection.close()


@pytest.mark.parametrize("role", ["herald_daemon", "herald_web", "herald_reader", "herald_operator", "herald_rules", "herald_capture", "nobody"])
def test_nobody_creates_in_the_schema_or_takes_numbers(full, outsider, role):
    connection = connect_as(full, role, outsider)
    with connection.cursor() as cursor:
        for statement in ("CREATE TABLE herald.x (id int)", "CREATE FUNCTION herald.x() RETURNS int LANGUAGE sql AS 'SELECT 1'",
                          "SELECT nextval('herald.attempt_seq')", "SELECT setval('herald.events_id_seq', 1)",
                          "DROP TABLE public.whatsapp_notifications", "ALTER TABLE herald.rules DISABLE TRIGGER ALL", "SET ROLE herald_owner",
                          "CREATE TRIGGER x AFTER INSERT ON public.whatsapp_notifications FOR EACH STATEMENT EXECUTE FUNCTION herald.configuration_changed()"):
            assert sqlstate(cursor, statement) == "42501", f"{role}: {statement}"
    connection.close()


def test_capture_may_add_events_and_no_more(full):
    connection = full.connect(login(full.cluster, "herald_capture"))
    with connection.cursor() as cursor:
        assert sqlstate(cursor, "INSERT INTO herald.events (rule, key) VALUES ('readings', '1')") is None
        assert sqlstate(cursor, "SELECT asleep_until, attended_until FROM herald.listeners") is None
        for statement in ("SELECT * FROM herald.events", "DELETE FROM herald.events", "SELECT node FROM herald.listeners", "SELECT * FROM herald.rules",
                          "UPDATE herald.listeners SET asleep_until = now()", "SELECT * FROM public.whatsapp_notifications", "SELECT * FROM public.reading"):
            assert sqlstate(cursor, statement) == "42501", statement
    connection.close()


def test_the_public_has_nothing(full):
    granted = full.sql("""
        SELECT 'function ' || p.oid::regprocedure FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
         WHERE p.pronamespace = 'herald'::regnamespace AND a.grantee = 0
        UNION ALL
        SELECT 'relation ' || c.oid::regclass FROM pg_class c, aclexplode(coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))) a
         WHERE (c.relnamespace = 'herald'::regnamespace OR c.relname LIKE 'whatsapp_notifications%') AND c.relkind IN ('r', 'v', 'S') AND a.grantee = 0
        UNION ALL
        SELECT 'schema' FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname = 'herald' AND a.grantee = 0""")
    assert granted == []


def test_roles_cannot_log_in_and_are_nobodys_master(full):
    assert full.sql("""SELECT rolname FROM pg_roles WHERE rolname LIKE 'herald\\_%' AND (rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb
                       OR rolreplication OR rolbypassrls)""") == []
    assert full.sql("""SELECT m.roleid::regrole::text, m.member::regrole::text FROM pg_auth_members m
                        WHERE m.member::regrole::text LIKE 'herald\\_%'""") == []


def test_every_definer_function_pins_its_search_path(full):
    unpinned = full.column("""SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = 'herald'::regnamespace AND p.prosecdef
                              AND NOT EXISTS (SELECT FROM unnest(p.proconfig) c WHERE replace(c, ' ', '') = 'search_path=pg_catalog,pg_temp')""")
    assert unpinned == []
    assert full.value("SELECT count(*) FROM pg_proc p WHERE p.pronamespace = 'herald'::regnamespace AND p.prosecdef") > 25


def test_what_is_generated_belongs_to_the_roles_that_can_do_least(full):
    owners = dict(full.sql("SELECT proname, proowner::regrole::text FROM pg_proc WHERE proname ~ '^(source|still|keys|capture)_[0-9]' AND prosecdef"))
    assert owners == {"source_1": "herald_rules", "still_1": "herald_rules", "keys_1": "herald_rules", "capture_1_insert": "herald_capture",
                      "capture_1_update": "herald_capture", "capture_1_row": "herald_capture"}
    assert full.column("SELECT rolname FROM pg_roles WHERE rolname LIKE 'herald\\_%' AND has_schema_privilege(rolname, 'herald', 'CREATE')") == ["herald_owner"]


# Before its guard a generated function may be altered to mean what somebody else wants: only keywords and qualified names.
BEGINNING = re.compile(r"""\s*(\#variable_conflict\ use_column\s+)?(<<ours>>\s+)?
    (DECLARE\s+(\w+\s+(boolean|bigint|(pg_catalog|herald)\.\w+(\[\])?)(\s+:=\s+(true|false|NULL))?;\s+)+)?
    BEGIN\s+IF\ current_user\ OPERATOR\(pg_catalog\.<>\)\ '(\w+)'::pg_catalog\.name\ THEN\ RAISE\ """, re.X)


def test_what_is_generated_begins_with_its_guard(full):
    functions = full.sql("""SELECT p.proname, p.proowner::regrole::text, p.prosrc FROM pg_proc p
                             WHERE p.pronamespace = 'herald'::regnamespace AND p.proname ~ '_[0-9]' AND p.prosecdef""")
    assert len(functions) == 7
    for name, owner, source in functions:
        begins = BEGINNING.match(source)
        assert begins and begins[begins.re.groups] == owner, (name, source[:300])


def test_temporary_objects_of_the_caller_lead_no_function_astray(full):
    """Temporary tables and functions of the names that definer functions use."""
    traps = """
        CREATE TEMP TABLE settings (name text, value text); INSERT INTO settings VALUES ('timezone', 'stolen'), ('default_country', 'stolen');
        CREATE TEMP TABLE rules AS SELECT 'x'::text AS name; CREATE TEMP TABLE senders AS SELECT 'stolen'::text AS name;
        CREATE TEMP TABLE whatsapp_notifications (id bigint, send_status text); CREATE TEMP TABLE holds (kind text);
        CREATE TEMP TABLE stolen (who text);
        CREATE FUNCTION pg_temp.lower(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO stolen VALUES (current_user); RETURN $1; END $$;
        CREATE FUNCTION pg_temp.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN INSERT INTO stolen VALUES (current_user); RETURN now(); END $$;
        CREATE FUNCTION pg_temp.btrim(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO stolen VALUES (current_user); RETURN $1; END $$;
        GRANT INSERT ON stolen TO PUBLIC;
        SET search_path = pg_temp, pg_catalog, herald, public"""
    operator = full.connect(login(full.cluster, "herald_operator"))
    with operator.cursor() as cursor:
        cursor.execute(traps)
        cursor.execute("SELECT herald.send('+8801700000001', 'x')")
        ident = cursor.fetchone()[0]
        for statement in (f"SELECT * FROM herald.explain({ident})", f"SELECT * FROM herald.show({ident})", "SELECT * FROM herald.check()",
                          "SELECT herald.pause('rule', 'readings'), herald.resume('rule', 'readings')", "SELECT * FROM herald.sweep_dry_run('readings')",
                          "SELECT herald.setting('timezone')", "SELECT * FROM herald.list(NULL, NULL, NULL, '1 hour', 5)",
                          f"SELECT herald.cancel({ident}), herald.retry({ident})", "SELECT * FROM herald.sender_accounts()"):
            cursor.execute(statement)
            assert "stolen" not in str(cursor.fetchall()), statement
        cursor.execute("SELECT count(*) FROM stolen")
        assert cursor.fetchone() == (0,)
        cursor.execute("SELECT count(*) FROM whatsapp_notifications")
        assert cursor.fetchone() == (0,), "what was sent is in the real table"
    operator.close()
    assert full.value("SELECT send_status FROM public.whatsapp_notifications WHERE id = %s", ident) == "pending"


def test_the_attack_works_on_a_function_without_the_pins(full, outsider):
    """Else the test above could not fail."""
    full.sql("CREATE TABLE public.secret AS SELECT 'SECRET'::text AS value; CREATE SCHEMA careless; GRANT USAGE ON SCHEMA careless TO PUBLIC;"
             "CREATE FUNCTION careless.ask() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ DECLARE v text; BEGIN"
             " SELECT note INTO v FROM hints LIMIT 1; RETURN v; END $$; CREATE TABLE public.hints AS SELECT 'harmless'::text AS note")
    connection = full.connect(outsider)
    with connection.cursor() as cursor:
        cursor.execute("""CREATE FUNCTION pg_temp.steal() RETURNS text LANGUAGE sql AS 'SELECT value || '' as '' || current_user FROM public.secret';
                          CREATE TEMP VIEW hints AS SELECT pg_temp.steal() AS note; GRANT SELECT ON hints TO PUBLIC; SELECT careless.ask()""")
        assert cursor.fetchone() == ("SECRET as postgres",)
    connection.close()


def test_a_session_of_the_daemon_cannot_be_led_astray_either(full):
    daemon = Daemon(full)
    with daemon.connection.cursor() as cursor:
        cursor.execute("""CREATE TEMP TABLE stolen (who text); GRANT INSERT ON stolen TO PUBLIC;
            CREATE FUNCTION pg_temp.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN INSERT INTO stolen VALUES (current_user); RETURN now(); END $$;
            CREATE FUNCTION pg_temp.unnest(text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO stolen VALUES (current_user); END $$;
            CREATE TEMP TABLE lanes (id int); CREATE TEMP TABLE senders (name text); SET search_path = pg_temp, pg_catalog, herald""")
    full.sql("INSERT INTO public.reading VALUES (1)")
    daemon.work()
    assert len(daemon.turn().claims) == 1
    daemon.backstop()
    with daemon.connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM stolen")
        assert cursor.fetchone() == (0,)
    daemon.close()
