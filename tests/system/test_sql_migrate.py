"""What migrate makes of clusters, roles and databases, and the queries that the history promises."""

import re
from pathlib import Path

import pytest

from conftest import Cluster, Database, ROOT
from player import Daemon, accepted, add_rule, add_senders, rejected

HISTORY_QUERIES = [
    "SELECT * FROM whatsapp_notifications ORDER BY created_at DESC LIMIT 10;",
    "SELECT nocs_name, COUNT(*) AS total_notifications FROM whatsapp_notifications GROUP BY nocs_name;",
    "SELECT duration_status, send_status, COUNT(*) AS count FROM whatsapp_notifications GROUP BY duration_status, send_status;",
    "SELECT * FROM whatsapp_notifications WHERE send_status = 'failed';",
]
COLUMNS = """id rule dedup_key recipient target_kind target channel sender template body payload send_status attempts next_at response_code
             response_body error message_id created_at sent_at delivered_at read_at meter_number nocs_name duration_status class_id test_num""".split()


def structure(db):
    """Everything that a migration makes, with owners and rights."""
    return db.sql("""SELECT 'f', p.oid::regprocedure::text, p.proowner::regrole::text, p.proacl::text, md5(p.prosrc), p.proconfig::text
                       FROM pg_proc p WHERE p.pronamespace = 'herald'::regnamespace
                     UNION ALL SELECT 'r', c.oid::regclass::text, c.relowner::regrole::text, c.relacl::text, c.relkind::text, NULL
                       FROM pg_class c WHERE c.relnamespace = 'herald'::regnamespace OR c.relname LIKE 'whatsapp_notifications%'
                     UNION ALL SELECT 'n', n.nspname, n.nspowner::regrole::text, n.nspacl::text, NULL, NULL FROM pg_namespace n WHERE n.nspname = 'herald'
                     ORDER BY 1, 2""")


def test_again_changes_nothing(db):
    before = structure(db)
    assert len(before) > 100
    db.sql("UPDATE herald.code SET checksum = 'another'")
    db.pgherald("migrate", status=0)
    assert structure(db) == before


def test_again_keeps_what_rules_and_watches_generated(db):
    db.sql("CREATE TABLE public.reading (id int PRIMARY KEY)")
    add_rule(db, "readings", "SELECT id AS key, id::text AS dedup_key, '+8801700000001'::text AS recipient, '{}'::jsonb AS data, 'b'::text AS body FROM public.reading")
    db.sql("SELECT herald.watch('public.reading', 'readings')")
    before = structure(db)
    db.sql("UPDATE herald.code SET checksum = 'another'")
    db.pgherald("migrate", status=0)
    assert structure(db) == before
    daemon = Daemon(db)
    db.sql("INSERT INTO public.reading VALUES (1)")
    assert sum(done["new"] for _, _, done in daemon.work()) == 1
    daemon.close()


@pytest.fixture
def earlier(db):
    """A database that was migrated by earlier states of this schema, and has what they defined."""
    before = structure(db)
    db.sql((Path(__file__).parent / "earlier_code.sql").read_text(encoding="utf-8"))
    db.sql("UPDATE herald.code SET checksum = 'an earlier one'")
    db.before = before
    return db


def objects(db):
    """What is there, whoever may use it."""
    return [row[:3] for row in structure(db)]


EARLIER = {"ROUTINE herald.all_made()", "ROUTINE herald.any_task()", "ROUTINE herald.claim(bigint,integer)",
           "ROUTINE herald.count_made(herald.rules,bigint)", "ROUTINE herald.error_for_log(text,text)", "ROUTINE herald.tasks()",
           "TYPE herald.made", "VIEW herald.made_lately"}


@pytest.mark.sanitize
def test_what_no_file_defines_any_more_is_dropped(earlier):
    assert len(structure(earlier)) > len(earlier.before)
    done = earlier.pgherald("migrate", status=0).stdout
    assert structure(earlier) == earlier.before
    assert {line.removeprefix("  dropped ").split(", which")[0] for line in done.splitlines() if "dropped" in line} == EARLIER
    assert "dropped" not in earlier.pgherald("migrate", status=0).stdout


def test_what_a_users_object_stands_on_is_kept_and_named(earlier):
    earlier.sql("CREATE VIEW public.mine AS SELECT herald.error_for_log('23505', 'words') AS said")
    earlier.sql("""CREATE FUNCTION public.asks() RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN herald.any_task(); END'""")
    earlier.sql("CREATE VIEW public.others AS SELECT rule FROM herald.made_lately")
    done = earlier.pgherald("migrate", status=0).stdout
    kept = {line.removeprefix("  kept ").split(", which")[0]: line for line in done.splitlines() if "  kept" in line}
    # What a kept one stands on is kept with it.
    assert set(kept) == {"ROUTINE herald.error_for_log(text,text)", "ROUTINE herald.any_task()", "ROUTINE herald.tasks()",
                         "ROUTINE herald.all_made()", "VIEW herald.made_lately", "TYPE herald.made"}
    assert "view herald.made_lately depends on" in kept["ROUTINE herald.error_for_log(text,text)"]
    assert "in the body of function public.asks()" in kept["ROUTINE herald.any_task()"]
    assert "view public.others depends on" in kept["VIEW herald.made_lately"]
    assert earlier.value("SELECT said FROM public.mine").startswith("PostgreSQL refused")

    # The remedy that is printed works, once nothing uses it.
    earlier.sql("DROP VIEW public.mine, public.others; DROP FUNCTION public.asks()")
    remedies = re.findall(r"(DROP .*);\)", done)
    for remedy in sorted(remedies, key=lambda words: ("VIEW" not in words, "all_made" not in words, words)):
        earlier.sql(remedy)
    assert objects(earlier) == [row[:3] for row in earlier.before]


@pytest.mark.parametrize("spelling", ["HERALD.ANY_TASK()", '"herald"."any_task"()', "herald . any_task()", "any_task()"])
def test_a_users_function_may_write_a_name_as_it_will(earlier, spelling):
    earlier.sql(f"""CREATE FUNCTION public.asks() RETURNS text LANGUAGE plpgsql SET search_path = herald, public
                    AS 'BEGIN RETURN {spelling}; END'""")
    done = earlier.pgherald("migrate", status=0).stdout
    assert "kept ROUTINE herald.any_task()" in done and "kept ROUTINE herald.tasks()" in done
    assert earlier.value("SELECT public.asks()") is None


def test_a_users_function_may_need_what_has_a_name_of_ours(earlier):
    """The function of fewer arguments: nobody can see which one is meant."""
    earlier.sql("""CREATE FUNCTION public.asks() RETURNS SETOF herald.turn_row LANGUAGE plpgsql
                   AS 'BEGIN RETURN QUERY SELECT * FROM herald.claim(1::bigint, 2); END'""")
    assert "kept ROUTINE herald.claim(bigint,integer)" in earlier.pgherald("migrate", status=0).stdout


def test_what_only_an_old_generated_function_names_goes_with_it(earlier):
    earlier.sql("CREATE TABLE public.reading (id int PRIMARY KEY)")
    add_rule(earlier, "readings", "SELECT id AS key, id::text AS dedup_key, '+8801700000001'::text AS recipient, '{}'::jsonb AS data, 'b'::text AS body FROM public.reading")
    earlier.sql("SELECT herald.watch('public.reading', 'readings')")
    earlier.sql("""CREATE OR REPLACE FUNCTION herald.capture_1_insert() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
                   AS 'BEGIN PERFORM herald.any_task(); RETURN NULL; END'""")
    done = earlier.pgherald("migrate", status=0).stdout
    assert "dropped ROUTINE herald.any_task()" in done and "kept" not in done
    earlier.sql("SELECT herald.attend('nobody', 0, 0); DELETE FROM herald.events; INSERT INTO public.reading VALUES (1)")
    assert earlier.column("SELECT key FROM herald.events") == ["1"]


def test_odd_objects_are_dropped_too(earlier):
    earlier.sql("""SET ROLE herald_owner; CREATE PROCEDURE herald.old_procedure() LANGUAGE sql AS 'SELECT 1';
                   CREATE AGGREGATE herald.old_sum (int) (SFUNC = int4pl, STYPE = int); CREATE TYPE herald."a[" AS (x int);
                   CREATE FUNCTION herald."old(fn"() RETURNS int LANGUAGE sql AS 'SELECT 1'; RESET ROLE""")
    done = earlier.pgherald("migrate", status=0).stdout
    for name in ("old_procedure()", "old_sum(integer)", '"a["', '"old(fn"()'):
        assert f"herald.{name}, which nothing defines any more" in done
    assert structure(earlier) == earlier.before


def test_to_drop_by_hand_is_refused(earlier):
    with pytest.raises(Exception, match="not all functions of schema herald have just been written"):
        earlier.sql("SELECT herald.drop_undefined('', 10)")


@pytest.mark.parametrize("kinds", ["prosecdef", "NOT prosecdef", "prorettype = 'trigger'::regtype", "provolatile = 'v'", "true"])
def test_an_event_trigger_that_alters_what_is_made_makes_nothing_undefined(earlier, kinds):
    """In a block that catches errors, as such triggers do: what they altered is written by a subtransaction."""
    earlier.sql(f"""CREATE FUNCTION public.alters() RETURNS event_trigger LANGUAGE plpgsql AS $$ DECLARE o record; BEGIN
            FOR o IN SELECT c.object_identity FROM pg_event_trigger_ddl_commands() c JOIN pg_proc p ON p.oid = c.objid
                      WHERE c.object_type = 'function' AND c.schema_name = 'herald' AND {kinds} LOOP
                BEGIN EXECUTE format('ALTER FUNCTION %s COST 100', o.object_identity); EXCEPTION WHEN OTHERS THEN NULL; END;
            END LOOP; END $$;
        CREATE EVENT TRIGGER alters ON ddl_command_end WHEN TAG IN ('CREATE FUNCTION') EXECUTE FUNCTION public.alters()""")
    done = earlier.pgherald("migrate", status=0).stdout
    assert {line.removeprefix("  dropped ").split(", which")[0] for line in done.splitlines() if "dropped" in line} == EARLIER and "kept" not in done
    earlier.sql("DROP EVENT TRIGGER alters")


def test_an_event_trigger_that_refuses_keeps_what_is_undefined(earlier):
    earlier.sql("""CREATE FUNCTION public.refuses() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'nothing is dropped here'; END $$;
                   CREATE EVENT TRIGGER refuses ON sql_drop EXECUTE FUNCTION public.refuses()""")
    done = earlier.pgherald("migrate", status=0).stdout
    assert "nothing is dropped here" in done and "dropped ROUTINE" not in done
    earlier.sql("DROP EVENT TRIGGER refuses")


def test_a_function_with_fewer_arguments_makes_no_call_ambiguous_and_its_grants_go_over(earlier, cluster):
    cluster.sql("DO $$ BEGIN IF to_regrole('shop') IS NULL THEN CREATE ROLE shop LOGIN; END IF; END $$")
    earlier.sql("""SET ROLE herald_owner;
                   CREATE FUNCTION herald.pause(kind text, name text DEFAULT '') RETURNS text LANGUAGE sql AS $$ SELECT 'the old one' $$;
                   CREATE FUNCTION herald.check_groups(sender_name text) RETURNS int LANGUAGE sql AS 'SELECT 1'; RESET ROLE;
                   GRANT USAGE ON SCHEMA herald TO shop; GRANT EXECUTE ON FUNCTION herald.check_groups(text) TO shop;
                   CREATE FUNCTION public.pauses() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN herald.pause('all'); END $$""")
    done = earlier.pgherald("migrate", status=0).stdout
    assert "dropped ROUTINE herald.pause(text,text)" in done and "dropped ROUTINE herald.check_groups(text)" in done
    assert earlier.value("SELECT public.pauses()") != "the old one" and earlier.value("SELECT count(*) FROM herald.holds WHERE kind = 'all'") == 1
    assert earlier.value("SELECT has_function_privilege('shop', 'herald.check_groups(text, text[])', 'EXECUTE')")


def test_others_objects_in_the_schema_are_left_alone(earlier):
    of_a_rule = "SELECT oid::regprocedure::text FROM pg_proc WHERE proname ~ '_[0-9]' AND pronamespace = 'herald'::regnamespace ORDER BY 1"
    earlier.sql("CREATE FUNCTION herald.of_an_administrator() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    earlier.sql("CREATE TABLE public.reading (id int PRIMARY KEY)")
    add_rule(earlier, "readings", "SELECT id AS key, id::text AS dedup_key, '+8801700000001'::text AS recipient, '{}'::jsonb AS data, 'b'::text AS body FROM public.reading")
    earlier.sql("SELECT herald.watch('public.reading', 'readings')")
    generated = earlier.column(of_a_rule)
    assert len(generated) == 7
    earlier.pgherald("migrate", status=0)
    assert earlier.column(of_a_rule) == generated
    assert earlier.value("SELECT herald.of_an_administrator()") == 1


@pytest.mark.sanitize
def test_a_second_database_of_the_cluster(db, empty_db):
    """The roles are shared, and nothing else."""
    empty_db.pgherald("migrate", status=0)
    assert structure(empty_db) == structure(db)
    for each in (db, empty_db):
        add_senders(each, "wa")
    first, second = Daemon(db), Daemon(empty_db)
    ident = db.value("SELECT herald.send('+8801700000001', 'one')")
    assert second.turn().claims == [] and first.turn().ids == [ident]
    first.close()
    second.close()
    empty_db.pgherald("uninstall", "--history", "--yes", status=0)
    db.pgherald("list", status=0)


@pytest.fixture(scope="module")
def fresh_cluster():
    """A server that has never seen pgherald: no roles."""
    server = Cluster()
    yield server
    server.remove()


@pytest.mark.sanitize
@pytest.mark.fails_from(16, reason="a role with CREATEROLE is a member of what it creates, but without SET")
def test_a_role_with_createrole_is_enough(fresh_cluster):
    fresh_cluster.sql("CREATE ROLE plain LOGIN")
    fresh_cluster.sql("CREATE ROLE admin LOGIN CREATEROLE")
    for name, owner in (("first", "admin"), ("second", "plain")):
        fresh_cluster.sql(f"CREATE DATABASE {name} OWNER {owner}")
    second = Database(fresh_cluster, "second")
    refused = second.pgherald("migrate", user="plain", status=1)
    assert "CREATEROLE" in refused.stderr and "CREATE ROLE herald_owner NOLOGIN" in refused.stderr
    assert second.value("SELECT to_regnamespace('herald')") is None

    first = Database(fresh_cluster, "first")
    first.pgherald("migrate", user="admin", status=0)
    assert first.value("SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'herald'") == "herald_owner"
    assert "already at" in first.pgherald("migrate", user="admin", status=0).stdout
    with first.connect("admin") as connection, connection.cursor() as cursor:
        cursor.execute("""CREATE TABLE public.reading (id int);
            CREATE VIEW public.readings AS SELECT id AS key, id::text AS dedup_key, '+8801700000001'::text AS recipient, '{}'::jsonb AS data, 'b'::text AS body FROM public.reading;
            GRANT SELECT ON public.readings TO herald_rules;
            SELECT herald.add_rule('readings', 'public.readings'), herald.watch('public.reading', 'readings'), herald.resume('rule', 'readings')""")
    daemon = Daemon(first)
    first.sql("INSERT INTO public.reading VALUES (1)")
    assert sum(done["new"] for _, _, done in daemon.work()) == 1
    daemon.close()
    first.pgherald("uninstall", "--history", "--yes", user="admin", status=0)
    for database in (first, second):
        database.close()


@pytest.mark.sanitize
def test_a_database_whose_owner_is_another_says_what_to_grant(cluster, template, empty_db):
    cluster.sql("DO $$ BEGIN IF to_regrole('stranger') IS NULL THEN CREATE ROLE stranger LOGIN; END IF; END $$")
    cluster.sql("GRANT herald_owner, herald_rules, herald_capture TO stranger")
    refused = empty_db.pgherald("migrate", user="stranger", status=1)
    assert f"GRANT CREATE ON DATABASE {empty_db.name} TO stranger" in refused.stderr
    assert empty_db.value("SELECT to_regnamespace('herald')") is None


@pytest.mark.sanitize
def test_an_edited_migration_and_a_foreign_table_are_refused_before_anything_is_done(db, empty_db):
    db.sql("UPDATE herald.migrations SET checksum = 'edited' WHERE version = 2; UPDATE herald.code SET checksum = 'another'")
    assert "migrations/0002_tables.sql" in db.pgherald("migrate", status=1).stderr
    assert db.value("SELECT checksum FROM herald.code") == "another"
    empty_db.sql("CREATE VIEW public.whatsapp_notifications AS SELECT 1 AS id")
    assert "public.whatsapp_notifications" in empty_db.pgherald("migrate", status=1).stderr
    assert empty_db.value("SELECT to_regnamespace('herald')") is None


def test_a_migration_whose_layout_alone_has_changed_is_the_same(db):
    for path in sorted((ROOT / "migrations").glob("*.sql")):
        for former in re.findall(r"^-- formerly ([0-9a-f]{64})$", path.read_text(encoding="utf-8"), re.M):
            db.sql("UPDATE herald.migrations SET checksum = %s WHERE version = %s", former, int(path.name[:4]))
    assert "already at" in db.pgherald("migrate", status=0).stdout


@pytest.fixture
def history(db):
    """A history with a message of each kind."""
    db.sql("INSERT INTO herald.templates (name, body) VALUES ('t', 'Meter {{meter_number}}')")
    add_rule(db, "meters", """SELECT n::text AS dedup_key, CASE n WHEN 3 THEN 'nobody' ELSE '+88017000000' || (10 + n) END AS recipient,
                 jsonb_build_object('meter_number', 'm' || n, 'nocs_name', 'Banani', 'duration_status', 'over ' || n, 'class_id', n, 'test_num', NULL) AS data
               FROM generate_series(1, 3) n""", "t")
    add_senders(db, "wa")
    daemon = Daemon(db)
    daemon.plan("meters")
    claims = sorted(daemon.turn().claims)
    daemon.turn(accepted(claims[0]), rejected(claims[1]))
    daemon.close()
    return db


def test_history_queries_work_as_they_stand(history):
    db = history
    newest, by_name, by_status, failed = (db.sql(query) for query in HISTORY_QUERIES)
    assert len(newest) == 3 and by_name == [("Banani", 3)]
    assert sorted(by_status) == [("over 1", "sent", 1), ("over 2", "failed", 1), ("over 3", "suppressed", 1)]
    assert len(failed) == 1
    columns = db.column("SELECT attname FROM pg_attribute WHERE attrelid = 'public.whatsapp_notifications'::regclass AND attnum > 0 ORDER BY attnum")
    assert columns[:len(COLUMNS)] == COLUMNS, "internal columns come last"
    assert db.sql("SELECT meter_number, class_id, test_num FROM whatsapp_notifications ORDER BY id") == [("m1", "1", None), ("m2", "2", None), ("m3", "3", None)]
    assert db.value("SELECT count(*) FROM pg_constraint WHERE confrelid = 'public.whatsapp_notifications'::regclass") == 0


@pytest.mark.parametrize("query", ["DELETE FROM whatsapp_notifications;", "TRUNCATE TABLE whatsapp_notifications RESTART IDENTITY;"])
def test_the_history_can_be_emptied_and_everything_is_told_again(history, query):
    db = history
    db.sql(query)
    daemon = Daemon(db)
    assert daemon.plan("meters")["new"] == 3
    assert db.value("SELECT min(id) FROM whatsapp_notifications") == (1 if "TRUNCATE" in query else 4)
    claims = daemon.turn().claims
    daemon.turn(*(accepted(c) for c in claims))
    assert db.value("SELECT count(*) FROM whatsapp_notifications WHERE send_status = 'sent'") == 2
    daemon.close()


def test_views_answer(history):
    db = history
    assert {item for item, in db.sql("SELECT item FROM herald.status")} >= {"daemon node-1", "last 24 hours", "rule meters", "sender wa"}
    db.sql("SELECT herald.send('+8801700000001', 'waiting')")
    assert db.sql("SELECT rule, channel, sender, send_status, messages FROM herald.backlog") == [(None, "whatsapp", None, "pending", 1)]
    assert sorted(db.sql("SELECT rule, send_status, messages FROM herald.stats WHERE rule IS NOT NULL")) == [
        ("meters", "failed", 1), ("meters", "sent", 1), ("meters", "suppressed", 1)]

