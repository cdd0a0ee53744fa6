"""Capture triggers: what is captured, what it costs the application, and when they ring."""

import io
import select
import time

import psycopg2
import pytest

from conftest import Cluster, migrated_database
from player import Daemon, add_rule, add_senders

VIEW = "SELECT id AS key, id::text AS dedup_key, '+8801700000001'::text AS recipient, '{}'::jsonb AS data, 'b'::text AS body FROM public.reading"


def prepare(db):
    """A table and a rule over it, not watched yet."""
    db.sql("CREATE TABLE public.reading (id int PRIMARY KEY, level int, note text)")
    add_rule(db, "readings", VIEW, flood_limit=1000000)


@pytest.fixture
def daemon(db):
    """A daemon that attends."""
    add_senders(db, "wa")
    player = Daemon(db)
    yield player
    player.close()


@pytest.fixture
def watched(db, daemon):
    """A watched table."""
    prepare(db)
    db.sql("SELECT herald.watch('public.reading', 'readings')")
    return db


def captured(db):
    """Takes what was captured: the keys, in order."""
    return [key for key, _ in db.sql("WITH gone AS (DELETE FROM herald.events RETURNING key, id) SELECT key, id FROM gone ORDER BY id")]


def triggers(db, table="public.reading"):
    """The capture triggers of a table."""
    return db.value("SELECT count(*) FROM pg_trigger WHERE tgrelid = to_regclass(%s) AND tgname LIKE 'herald%%'", table)


def refused(db, statement, said, hint):
    """The statement fails with this text, and a hint with that one."""
    with pytest.raises(psycopg2.Error, match=said) as failed:
        db.sql(statement)
    assert hint in (failed.value.diag.message_hint or ""), failed.value.diag.message_hint


# --- what is captured ---


def test_inserts_updates_and_copies(watched):
    db = watched
    db.sql("INSERT INTO public.reading VALUES (1, 10), (2, 20)")
    assert captured(db) == ["1", "2"]
    db.sql("UPDATE public.reading SET level = 11 WHERE id = 1")
    assert captured(db) == ["1"]
    db.sql("UPDATE public.reading SET level = 11 WHERE id = 99; DELETE FROM public.reading WHERE id = 2; INSERT INTO public.reading SELECT 5 WHERE false")
    assert captured(db) == [], "no row, no event"
    db.sql("INSERT INTO public.reading VALUES (1, 5), (3, 5) ON CONFLICT (id) DO UPDATE SET level = 5")
    assert sorted(captured(db)) == ["1", "3"]
    with db.connection.cursor() as cursor:
        cursor.copy_expert("COPY public.reading FROM STDIN", _lines("7\t1\tx", "8\t2\ty"))
    assert captured(db) == ["7", "8"]
    db.sql("BEGIN; INSERT INTO public.reading VALUES (50); ROLLBACK")
    assert captured(db) == []


def _lines(*lines):
    return io.StringIO("".join(line + "\n" for line in lines))


def test_only_changes_of_the_named_columns(watched):
    db = watched
    db.sql("SELECT herald.watch('public.reading', 'readings', 'id', '{level}')")
    db.sql("INSERT INTO public.reading VALUES (1, 10, 'a'), (2, NULL, 'b')")
    assert captured(db) == ["1", "2"]
    db.sql("UPDATE public.reading SET note = 'z'")
    db.sql("UPDATE public.reading SET level = level")
    assert captured(db) == []
    db.sql("UPDATE public.reading SET level = CASE id WHEN 2 THEN 1 ELSE level END")
    assert captured(db) == ["2"]
    db.sql("UPDATE public.reading SET level = NULL WHERE id = 2")
    assert captured(db) == ["2"]
    db.sql("SELECT herald.watch('public.reading', 'readings')")
    assert triggers(db) == 2
    db.sql("UPDATE public.reading SET note = 'y' WHERE id = 1")
    assert captured(db) == ["1"], "watching again changes what counts"


@pytest.mark.parametrize("rows, expected", [(10000, 10000), (10001, None)])
def test_a_bulk_statement_asks_for_a_sweep(watched, rows, expected):
    db = watched
    db.sql("INSERT INTO public.reading SELECT generate_series(1, %s)", rows)
    keys = captured(db)
    assert len(keys) == expected if expected else keys == [None]
    db.sql("UPDATE public.reading SET level = 1")
    keys = captured(db)
    assert len(keys) == expected if expected else keys == [None]


def test_a_request_for_a_sweep_is_planned(watched, daemon):
    db = watched
    daemon.work()
    db.sql("INSERT INTO public.reading SELECT generate_series(1, 10001)")
    assert daemon.turn().tasks == [("readings", "events")]
    assert [(kind, done["new"]) for _, kind, done in daemon.work()] == [("events", 0), ("sweep", 10001)]


def test_a_bulk_statement_asks_for_itself_whatever_others_asked(watched):
    """A request that another transaction's sweep may be taking at this moment is not this one's."""
    db = watched
    db.sql("SELECT herald.ring('readings'); INSERT INTO public.reading SELECT generate_series(1, 10001)")
    assert captured(db) == [None, None]


def test_a_database_that_no_daemon_attends_keeps_one_request(db):
    prepare(db)
    db.sql("SELECT herald.watch('public.reading', 'readings')")
    for i in range(5):
        db.sql("INSERT INTO public.reading VALUES (%s), (%s + 100)", i, i)
    assert db.sql("SELECT rule, key FROM herald.events") == [("readings", None)]
    add_senders(db, "wa")
    daemon = Daemon(db)
    daemon.work()
    assert db.value("SELECT count(*) FROM whatsapp_notifications") == 10
    db.sql("INSERT INTO public.reading VALUES (77)")
    assert captured(db) == ["77"]
    db.sql("UPDATE herald.listeners SET attended_until = clock_timestamp() - interval '1 s'")
    db.sql("UPDATE public.reading SET level = 1; UPDATE public.reading SET level = 2")
    assert captured(db) == [None]
    daemon.close()


@pytest.mark.parametrize("name", ['Weird"; drop table x;--', "select", "Ünïcode 'quoted'", "a.b", "x" * 63])
def test_weird_names(db, daemon, name):
    quoted = '"' + name.replace('"', '""') + '"'
    db.sql(f"""CREATE TABLE public.{quoted} ({quoted} int PRIMARY KEY, "Some column" int);
               CREATE VIEW public.weird AS SELECT {quoted} AS key, {quoted}::text AS dedup_key, '+8801700000001'::text AS recipient, '{{}}'::jsonb AS data, 'b'::text AS body
                 FROM public.{quoted};
               GRANT SELECT ON public.weird TO herald_rules""")
    rule = name[:40] + "'s"
    db.sql("SELECT herald.add_rule(%s, 'public.weird'), herald.resume('rule', %s)", rule, rule)
    db.sql("SELECT herald.watch(%s::regclass, %s, %s, %s)", f"public.{quoted}", rule, name, ["Some column"])
    daemon.work()
    db.sql(f"INSERT INTO public.{quoted} VALUES (1), (2); UPDATE public.{quoted} SET \"Some column\" = 5 WHERE {quoted} = 1")
    assert db.sql("SELECT rule, key FROM herald.events ORDER BY id") == [(rule, "1"), (rule, "2"), (rule, "1")]
    assert [done["new"] for _, _, done in daemon.work()] == [2]
    assert [problem for subject, problem, _ in db.sql("SELECT * FROM herald.check()") if "watch" in subject] == []
    db.sql("SELECT herald.unwatch(%s::regclass, %s)", f"public.{quoted}", rule)
    assert triggers(db, f"public.{quoted}") == 0


def test_two_rules_watch_one_table(watched, daemon):
    db = watched
    add_rule(db, "others", VIEW)
    db.sql("SELECT herald.watch('public.reading', 'others', columns => '{level}')")
    db.sql("INSERT INTO public.reading VALUES (1); UPDATE public.reading SET note = 'x'")
    assert sorted(db.sql("SELECT rule, key FROM herald.events")) == [("others", "1"), ("readings", "1"), ("readings", "1")]
    db.sql("SELECT herald.unwatch('public.reading', 'readings'); DELETE FROM herald.events; UPDATE public.reading SET level = 1")
    assert db.sql("SELECT rule, key FROM herald.events") == [("others", "1")]


# --- partitions ---


@pytest.fixture
def partitioned(db, daemon):
    """A watched table with partitions, one of which has partitions of its own."""
    db.sql("""CREATE TABLE public.reading (id int, level int, note text) PARTITION BY RANGE (id);
              CREATE TABLE public.low PARTITION OF public.reading FOR VALUES FROM (0) TO (100);
              CREATE TABLE public.high PARTITION OF public.reading FOR VALUES FROM (100) TO (200) PARTITION BY RANGE (id);
              CREATE TABLE public.high_leaf PARTITION OF public.high FOR VALUES FROM (100) TO (200)""")
    add_rule(db, "readings", VIEW)
    db.sql("SELECT herald.watch('public.reading', 'readings')")
    return db


@pytest.mark.parametrize("table, key", [("reading", 1), ("reading", 101), ("low", 2), ("high", 102), ("high_leaf", 103)])
def test_partitions_whichever_table_a_statement_names(partitioned, table, key):
    db = partitioned
    db.sql(f"INSERT INTO public.{table} VALUES ({key}); UPDATE public.{table} SET level = 1 WHERE id = {key}")
    assert captured(db) == [str(key), str(key)], "each once"


def test_a_row_that_moves_to_another_partition(partitioned):
    db = partitioned
    db.sql("INSERT INTO public.reading VALUES (1)")
    captured(db)
    db.sql("UPDATE public.reading SET id = 150 WHERE id = 1")
    assert captured(db) == ["150"]


def test_a_new_partition_is_reported_until_it_is_watched(partitioned):
    db = partitioned
    assert [problem for _, problem, _ in db.sql("SELECT * FROM herald.check()") if "trigger" in problem] == []
    db.sql("CREATE TABLE public.newest PARTITION OF public.reading FOR VALUES FROM (200) TO (300)")
    [(subject, remedy)] = [(s, r) for s, problem, r in db.sql("SELECT * FROM herald.check()") if "has no capture trigger" in problem and "newest" in problem]
    assert "readings" in subject
    db.sql("INSERT INTO public.newest VALUES (201)")
    assert captured(db) == []
    db.sql("INSERT INTO public.reading VALUES (202)")
    assert captured(db) == ["202"]
    db.sql(remedy)
    assert [problem for _, problem, _ in db.sql("SELECT * FROM herald.check()") if "trigger" in problem] == []
    db.sql("INSERT INTO public.newest VALUES (203)")
    assert captured(db) == ["203"]
    db.sql("SELECT herald.unwatch('public.reading', 'readings')")
    assert [triggers(db, f"public.{name}") for name in ("reading", "low", "high", "high_leaf", "newest")] == [0] * 5


def test_a_partition_that_is_a_foreign_table(partitioned):
    db = partitioned
    db.sql("""CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER away FOREIGN DATA WRAPPER nothing;
              CREATE FOREIGN TABLE public.far PARTITION OF public.reading FOR VALUES FROM (900) TO (999) SERVER away;
              SELECT herald.watch('public.reading', 'readings')""")
    assert triggers(db, "public.far") == 0
    assert [problem for _, problem, _ in db.sql("SELECT * FROM herald.check()") if "trigger" in problem] == []


# --- refusals ---


def test_what_cannot_be_watched_is_refused_with_the_remedy(watched):
    db = watched
    db.sql("""CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER away FOREIGN DATA WRAPPER nothing;
              CREATE FOREIGN TABLE public.far (id int) SERVER away; CREATE MATERIALIZED VIEW public.kept AS SELECT 1 AS id;
              CREATE VIEW public.keyless AS SELECT dedup_key, recipient, data FROM public.readings; GRANT SELECT ON public.keyless TO herald_rules;
              SELECT herald.add_rule('keyless', 'public.keyless')""")
    for table, kind in (("readings", "view"), ("far", "foreign table"), ("kept", "materialized view")):
        refused(db, f"SELECT herald.watch('public.{table}', 'readings')", f"changes of a {kind} can't be captured", "sweep")
    refused(db, "SELECT herald.watch('public.reading', 'nothing')", 'there is no rule "nothing"', "herald.add_rule()")
    refused(db, "SELECT herald.watch('public.reading', 'readings', 'number')", 'has no column "number"', "key names the column")
    refused(db, "SELECT herald.watch('public.reading', 'readings', 'id', '{level,nothing}')", 'has no column "nothing"', "columns")
    refused(db, "SELECT herald.watch('public.reading', 'keyless')", 'has no column "key"', "Add id AS key")
    refused(db, "SELECT herald.unwatch('public.reading', 'keyless')", 'is not watched for rule "keyless"', "herald.watches")
    assert triggers(db) == 2


def test_a_table_that_somebody_holds_is_refused_in_time_and_nothing_changed(db, daemon):
    prepare(db)
    before = db.sql("SELECT proname FROM pg_proc WHERE pronamespace = 'herald'::regnamespace ORDER BY 1")
    with db.connect() as busy, busy.cursor() as cursor:
        busy.autocommit = False
        cursor.execute("LOCK TABLE public.reading IN ROW EXCLUSIVE MODE")
        start = time.monotonic()
        refused(db, "SELECT herald.watch('public.reading', 'readings')", "could not lock .*reading within a second", "Nothing was changed")
        assert 0.8 < time.monotonic() - start < 5
        busy.rollback()
        assert triggers(db) == 0 and db.value("SELECT count(*) FROM herald.watches") == 0
        assert db.sql("SELECT proname FROM pg_proc WHERE pronamespace = 'herald'::regnamespace ORDER BY 1") == before
        db.sql("SELECT herald.watch('public.reading', 'readings')")
        cursor.execute("LOCK TABLE public.reading IN ROW EXCLUSIVE MODE")
        db.sql("SELECT herald.watch('public.reading', 'readings', columns => '{level}')")
        assert triggers(db) == 2, "what is there needs no lock"
        busy.rollback()


def test_a_role_without_the_right_to_add_triggers_is_refused(cluster, db, daemon):
    prepare(db)
    cluster.sql("DO $$ BEGIN IF to_regrole('rule_admin') IS NULL THEN CREATE ROLE rule_admin LOGIN; END IF; END $$;"
                "GRANT herald_owner, herald_rules, herald_capture TO rule_admin")
    connection = db.connect("rule_admin")
    with connection.cursor() as cursor:
        with pytest.raises(psycopg2.Error, match="may not add triggers to .*reading") as failed:
            cursor.execute("SELECT herald.watch('public.reading', 'readings')")
        assert "GRANT TRIGGER ON" in failed.value.diag.message_hint
        db.sql("GRANT TRIGGER ON public.reading TO rule_admin")
        cursor.execute("SELECT herald.watch('public.reading', 'readings')")
    connection.close()
    assert triggers(db) == 2


# --- the application's role ---


@pytest.fixture
def application(cluster, watched):
    """A connection of a role that may write its own table, and nothing of herald's."""
    cluster.sql("DO $$ BEGIN IF to_regrole('application') IS NULL THEN CREATE ROLE application LOGIN; END IF; END $$")
    watched.sql("GRANT SELECT, INSERT, UPDATE ON public.reading TO application")
    connection = watched.connect("application")
    with connection.cursor() as cursor:
        yield cursor
    connection.close()


def test_an_application_needs_no_grant_and_can_do_nothing_more(watched, application):
    application.execute("INSERT INTO public.reading VALUES (1); UPDATE public.reading SET level = 5")
    assert captured(watched) == ["1", "1"]
    for statement in ("SELECT * FROM herald.events", "INSERT INTO herald.events (rule, key) VALUES ('readings', '1')",
                      "SELECT * FROM herald.rules", "SELECT herald.ring('readings', '1')", "SELECT herald.ring_bell()",
                      "SELECT * FROM public.whatsapp_notifications", "SELECT herald.capture_1_insert()",
                      "CREATE TEMP TABLE t (id int); CREATE TRIGGER x AFTER INSERT ON t REFERENCING NEW TABLE AS new_rows"
                      " FOR EACH STATEMENT EXECUTE FUNCTION herald.capture_1_insert()"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            application.execute(statement)


def test_nothing_of_the_applications_session_leads_capture_astray(watched, application):
    """Temporary tables, functions and operators of the writer's own, which an unqualified name would find first."""
    application.execute("""
        CREATE TEMP TABLE events (rule text, key text); CREATE TEMP TABLE listeners (node text, asleep_until timestamptz, attended_until timestamptz);
        CREATE TEMP TABLE new_rows (id int); CREATE TEMP TABLE stolen (who text);
        CREATE FUNCTION pg_temp.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN INSERT INTO stolen VALUES (current_user); RETURN now(); END $$;
        CREATE FUNCTION pg_temp.current_setting(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO stolen VALUES (current_user); RETURN 'x'; END $$;
        SET search_path = pg_temp, pg_catalog, public;
        INSERT INTO reading VALUES (1); UPDATE reading SET level = 1;
        SELECT count(*) FROM stolen""")
    assert application.fetchone() == (0,)
    assert captured(watched) == ["1", "1"]


def test_capture_works_under_row_security_and_read_only_defaults(watched, application):
    watched.sql("ALTER TABLE public.reading ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON public.reading USING (id < 10) WITH CHECK (true)")
    application.execute("INSERT INTO public.reading VALUES (1), (50)")
    assert captured(watched) == ["1", "50"]


# --- the bell ---


class Ear:
    """A second connection that LISTENs."""

    def __init__(self, db):
        self.connection = db.connect()
        with self.connection.cursor() as cursor:
            cursor.execute("LISTEN herald")
        self.heard()

    def heard(self, wait_sec=0.0):
        """How many notifications have come, waiting so long for the first."""
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if wait_sec and not self.connection.notifies:
            select.select([self.connection], [], [], wait_sec)
            self.connection.poll()
        got = len(self.connection.notifies)
        self.connection.notifies.clear()
        return got


@pytest.fixture
def ear(watched):
    """Listens on the database."""
    made = Ear(watched)
    yield made
    made.connection.close()


def test_nobody_rings_while_the_daemon_is_awake(watched, daemon, ear):
    daemon.attend(0)
    watched.sql("INSERT INTO public.reading SELECT generate_series(1, 10); UPDATE public.reading SET level = 1")
    assert ear.heard() == 0


def test_a_transaction_rings_once_while_a_daemon_sleeps(watched, daemon, ear):
    daemon.attend(60)
    watched.sql("BEGIN; INSERT INTO public.reading VALUES (1); INSERT INTO public.reading VALUES (2); UPDATE public.reading SET level = 1; COMMIT")
    assert ear.heard(5) == 1
    watched.sql("UPDATE public.reading SET level = 1 WHERE false")
    assert ear.heard() == 0, "nothing changed"
    watched.sql("UPDATE herald.listeners SET asleep_until = clock_timestamp() - interval '1 s'; INSERT INTO public.reading VALUES (3)")
    assert ear.heard() == 0, "a dead host falls out by itself"


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_writer_with_an_old_snapshot_always_rings(watched, daemon, ear, level):
    daemon.attend(0)
    writer = watched.connect()
    with writer.cursor() as cursor:
        cursor.execute(f"BEGIN ISOLATION LEVEL {level}; SELECT 1 FROM public.reading; INSERT INTO public.reading VALUES (1); COMMIT")
    assert ear.heard(5) == 1
    writer.close()


def test_the_event_is_written_before_the_look_for_sleepers(watched, daemon, ear):
    """A daemon that went to sleep while a statement ran is rung for by it."""
    daemon.attend(0)
    writer = watched.connect()
    writer.autocommit = False
    with writer.cursor() as cursor:
        cursor.execute("SELECT 1")
        daemon.attend(60)
        cursor.execute("INSERT INTO public.reading VALUES (1)")
    writer.commit()
    assert ear.heard(5) == 1
    writer.close()


@pytest.mark.parametrize("statement", [
    "SELECT herald.ring('readings', '1')", "SELECT herald.send('+8801700000002', 'x')", "SELECT herald.resume('all')", "SELECT herald.sweep()",
    "UPDATE herald.senders SET priority = 1", "INSERT INTO herald.templates (name, body) VALUES ('t', 'x')",
    "INSERT INTO herald.recipients (name, address) VALUES ('x', '+8801700000002')", "UPDATE herald.settings SET value = value",
    "INSERT INTO herald.channels (name) VALUES ('pigeon')", "UPDATE herald.rules SET every = '1 min'",
    "SELECT herald.add_rule('readings', 'public.readings')", "SELECT herald.watch('public.reading', 'readings')",
])
def test_whatever_can_make_something_due_rings(watched, daemon, ear, statement):
    watched.sql("INSERT INTO herald.holds (kind, cause, reason) VALUES ('all', 'paused', 'x')")
    ear.heard(0.05)
    watched.sql(statement)
    assert ear.heard(5) >= 1


def test_retry_rings(watched, daemon, ear):
    ident = watched.value("SELECT herald.send('+8801700000002', 'x')")
    watched.sql("SELECT herald.cancel(%s)", ident)
    ear.heard(0.05)
    watched.sql("SELECT herald.retry(%s)", ident)
    assert ear.heard(5) == 1


def test_the_figures_of_a_sweep_do_not_ring(watched, daemon, ear):
    daemon.plan("readings")
    ear.heard(0.05)
    daemon.plan("readings")
    daemon.plan("readings", "events")
    assert ear.heard() == 0


@pytest.fixture(scope="module")
def prepared_cluster():
    """A server that allows PREPARE TRANSACTION."""
    server = Cluster(max_prepared_transactions=5)
    yield server
    server.remove()


def test_where_transactions_are_prepared_nobody_rings(prepared_cluster):
    db = migrated_database(prepared_cluster, "herald_prepared")
    add_senders(db, "wa")
    daemon = Daemon(db)
    prepare(db)
    db.sql("SELECT herald.watch('public.reading', 'readings')")
    ear = Ear(db)
    daemon.attend(60)
    db.sql("BEGIN; INSERT INTO public.reading VALUES (1); PREPARE TRANSACTION 'two-phase'")
    assert daemon.turn().look.target == "poll"
    db.sql("COMMIT PREPARED 'two-phase'")
    db.sql("INSERT INTO public.reading VALUES (2); SELECT herald.send('+8801700000002', 'x')")
    assert ear.heard() == 0
    assert captured(db) == ["1", "2"]
    assert any("max_prepared_transactions" in problem for _, problem, _ in db.sql("SELECT * FROM herald.check()"))
    db.sql("SELECT herald.watch('public.reading', 'readings', may_ring => true)")
    db.sql("INSERT INTO public.reading VALUES (3)")
    assert ear.heard(5) == 1
    db.sql("BEGIN")
    db.sql("INSERT INTO public.reading VALUES (4)")
    with pytest.raises(psycopg2.Error, match="cannot PREPARE a transaction that has executed"):
        db.sql("PREPARE TRANSACTION 'two-phase'")
    ear.connection.close()
    daemon.close()
    db.close()


def test_logical_replication_is_captured_row_by_row(db, daemon):
    """What a subscription applies fires no statement trigger; a subscribed table gets a row trigger that fires always."""
    prepare(db)
    db.sql("CREATE SUBSCRIPTION away CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false, slot_name = NONE);"
           "INSERT INTO pg_subscription_rel (srsubid, srrelid, srsubstate) SELECT oid, 'public.reading'::regclass, 'r' FROM pg_subscription")
    db.sql("SELECT herald.watch('public.reading', 'readings', columns => '{level}')")
    assert db.sql("SELECT tgenabled, tgtype & 1 FROM pg_trigger WHERE tgrelid = 'public.reading'::regclass AND NOT tgisinternal") == [("A", 1), ("A", 1)]
    db.sql("SET session_replication_role = replica")
    db.sql("INSERT INTO public.reading VALUES (1, 1), (2, 2); UPDATE public.reading SET note = 'x'; UPDATE public.reading SET level = 3 WHERE id = 2")
    assert captured(db) == ["1", "2", "2"]
    db.sql("UPDATE herald.listeners SET attended_until = '-infinity'; UPDATE public.reading SET level = 9")
    assert captured(db) == [None]
    db.sql("SELECT herald.unwatch('public.reading', 'readings'); DELETE FROM pg_subscription_rel; DROP SUBSCRIPTION away")


# --- taking it out ---


def test_unwatch_leaves_the_table_as_it_was(db, daemon):
    prepare(db)
    shape = "SELECT (SELECT jsonb_agg(t.tgname) FROM pg_trigger t WHERE t.tgrelid = c.oid), c.relacl, c.relowner FROM pg_class c WHERE c.oid = 'public.reading'::regclass"
    functions = "SELECT proname FROM pg_proc WHERE pronamespace = 'herald'::regnamespace ORDER BY 1"
    before, had = db.sql(shape), db.sql(functions)
    db.sql("SELECT herald.watch('public.reading', 'readings')")
    assert db.sql(shape) != before
    db.sql("SELECT herald.unwatch('public.reading', 'readings')")
    assert (db.sql(shape), db.sql(functions)) == (before, had)
    db.sql("INSERT INTO public.reading VALUES (1)")
    assert captured(db) == []


def test_a_renamed_table_is_still_captured_and_can_be_unwatched(watched):
    db = watched
    db.sql("ALTER TABLE public.reading RENAME TO measured; INSERT INTO public.measured VALUES (1)")
    assert captured(db) == ["1"]
    db.sql("SELECT herald.unwatch('public.measured', 'readings')")
    assert triggers(db, "public.measured") == 0


def test_uninstall_takes_out_the_triggers_of_every_partition(partitioned):
    db = partitioned
    db.sql("INSERT INTO public.reading VALUES (1), (101)")
    gone = db.column("SELECT * FROM herald.uninstall(false)")
    assert sum("trigger" in line for line in gone) == 8
    assert db.value("SELECT to_regnamespace('herald')") is None
    assert db.value("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgname LIKE 'herald%'") == 0
    db.sql("INSERT INTO public.reading VALUES (2), (102)")
    assert db.value("SELECT count(*) FROM public.reading") == 4
    assert db.value("SELECT count(*) FROM public.whatsapp_notifications") == 0


def test_uninstall_does_not_wait_for_a_busy_table(watched):
    with watched.connect() as busy, busy.cursor() as cursor:
        busy.autocommit = False
        cursor.execute("INSERT INTO public.reading VALUES (1)")
        refused(watched, "SELECT herald.uninstall(true)", "could not lock a watched table within a second", "Nothing was changed")
        busy.rollback()
    assert triggers(watched) == 2 and watched.value("SELECT to_regnamespace('herald') IS NOT NULL")
