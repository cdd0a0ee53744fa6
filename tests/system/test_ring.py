"""A ring is answered in one round trip: the planner plans and claims, on a connection that is not the dispatcher's."""

import threading

import pytest

from conftest import wait_until
from daemon import start_daemon  # noqa: F401 (fixture)
from load import CREDENTIALS, Application, receiving, wait_fast_asleep
from player import Daemon, Row, add_rule, add_senders, send

CLAIM_LOCK = "BEGIN; LOCK TABLE herald.claim_lock IN EXCLUSIVE MODE"
WAITING_PLANNERS = """SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'pgherald planner'
                         AND wait_event_type = 'Lock'"""


@pytest.fixture
def sink():
    with receiving() as server:
        yield server


@pytest.fixture
def ringing(db):
    """A rule with a captured event, and a player whose session may answer the ring."""
    add_senders(db, "wa")
    db.sql("CREATE TABLE public.thing (id int PRIMARY KEY)")
    add_rule(db, "things", "SELECT id AS key, id::text AS dedup_key, '+88017' || lpad(id::text, 8, '0') AS recipient, '{}'::jsonb AS data, 'b'::text AS body"
                           " FROM public.thing")
    db.sql("SELECT herald.watch('public.thing', 'things')")
    daemon = Daemon(db)
    daemon.work()
    db.sql("INSERT INTO public.thing VALUES (1), (2), (3)")
    yield daemon
    daemon.close()


def answer(daemon, joins, room=10):
    """What herald.plan_and_claim() yields, in the daemon's session."""
    with daemon.connection.cursor() as cursor:
        cursor.execute("SELECT * FROM herald.plan_and_claim(%s, %s, %s, 500)", (daemon.incarnation, joins, room))
        return [Row(*row) for row in cursor.fetchall()]


def statuses(db):
    return dict(db.sql("SELECT send_status, count(*) FROM whatsapp_notifications GROUP BY 1"))


def joins_of(db, node="node-1"):
    return db.value("SELECT joins FROM herald.listeners WHERE node = %s", node)


def test_it_plans_and_claims(db, ringing):
    planned, *rest = answer(ringing, joins_of(db), room=2)
    assert (planned.what, planned.sender, planned.target, planned.id) == ("planned", "things", "done", 0)
    assert [row.what for row in rest] == ["claim", "claim", "sender", "left"]
    assert statuses(db) == {"sending": 2, "pending": 1}
    assert db.value("SELECT count(*) FROM whatsapp_notifications WHERE owner = %s", ringing.incarnation) == 2


def test_without_room_it_only_plans(db, ringing):
    assert [row.what for row in answer(ringing, joins_of(db), room=0)] == ["planned"]
    assert statuses(db) == {"pending": 3}


def test_nothing_is_claimed_for_a_daemon_that_joined_anew(db, ringing):
    before = joins_of(db)
    again = Daemon(db, node="other")
    db.sql("UPDATE herald.listeners SET joins = joins + 1 WHERE node = 'node-1'")
    assert [row.what for row in answer(ringing, before)] == ["planned"]
    assert statuses(db) == {"pending": 3}
    again.close()


def test_a_rule_that_is_planned_elsewhere_does_not_keep_the_ring_from_others(db, ringing):
    add_rule(db, "others", "SELECT id AS key, id::text AS dedup_key, '+88018' || lpad(id::text, 8, '0') AS recipient, '{}'::jsonb AS data, 'b'::text AS body"
                           " FROM public.thing")
    db.sql("SELECT herald.ring('others', '1')")
    elsewhere = db.connect()
    with elsewhere.cursor() as cursor:
        cursor.execute("BEGIN; SELECT FROM herald.planning WHERE rule = 'things' FOR NO KEY UPDATE")
        assert [row.sender for row in answer(ringing, joins_of(db)) if row.what == "planned"] == ["others"]
        planned, = answer(ringing, joins_of(db))
        assert (planned.sender, planned.target) == (None, "done")
        cursor.execute("ROLLBACK")
    elsewhere.close()
    assert answer(ringing, joins_of(db))[0].sender == "things"  # nothing of it was lost


def test_each_join_counts(db, ringing):
    first = joins_of(db)
    ringing.close()
    again = Daemon(db, incarnation=ringing.incarnation)
    assert joins_of(db) == first + 1
    again.close()


def test_what_it_claimed_in_a_lost_answer_goes_back(db, ringing):
    answer(ringing, joins_of(db))
    assert statuses(db) == {"sending": 3}
    ringing.close()
    again = Daemon(db, incarnation=ringing.incarnation)
    assert again.joined[2:] == (3, 0) and statuses(db) == {"pending": 3}
    again.close()


def test_a_rule_that_fails_is_told(db, ringing):
    db.sql("DROP VIEW public.things; CREATE VIEW public.things AS SELECT 1 AS nothing")
    planned, = answer(ringing, joins_of(db))
    assert planned.target == "failed" and "42703" in planned.body


@pytest.mark.parametrize("request_sweep, is_paused", [("herald.resume('rule', 'things')", True), ("herald.sweep('things')", False)])
def test_a_sweep_asked_for_while_the_rule_is_planned_stays_due(db, ringing, request_sweep, is_paused):
    if is_paused:
        db.sql("SELECT herald.pause('rule', 'things', 'test')")
    asking = db.connect("postgres")
    with asking.cursor() as cursor:
        cursor.execute(f"BEGIN; SELECT {request_sweep}")
        planning = threading.Thread(target=ringing.plan, args=("things", "sweep"))
        planning.start()
        wait_until(lambda: db.value("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"),
                   "the plan waits to say when the next sweep is due")
        cursor.execute("COMMIT")
    planning.join()
    asking.close()
    assert ("things", "sweep") in ringing.turn(room=0).tasks


def test_the_connection_that_answers_is_cut(db, sink, start_daemon):
    """Nobody knows whether it had claimed: the daemon joins anew, and each message comes once."""
    app = Application(db, sink)
    start_daemon(credentials=CREDENTIALS)
    wait_fast_asleep(db)
    joins = joins_of(db, "daemon")
    holder = db.connect("postgres")
    with holder.cursor() as cursor:
        cursor.execute(CLAIM_LOCK)
        ids = app.insert(5)
        planner, = wait_until(lambda: db.sql(WAITING_PLANNERS), "a planner that waits to claim")
        db.sql("SELECT pg_terminate_backend(%s)", planner[0])
        cursor.execute("ROLLBACK")
    holder.close()
    app.wait_for(ids)
    app.wait_settled()
    assert app.repeats() == {} and app.counts() == {"sent": 5}
    assert joins_of(db, "daemon") > joins


def test_a_slow_rule_does_not_keep_others_waiting(db, sink, start_daemon):
    app = Application(db, sink)
    start_daemon(credentials=CREDENTIALS, max_in_flight=4)
    wait_fast_asleep(db)
    blocker = db.connect("postgres")
    with blocker.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE herald.templates")  # what planning reads, and delivering does not
        ids = app.insert(1)
        wait_until(lambda: db.sql(WAITING_PLANNERS), "a planner that waits for its rule")
        direct = send(db, 7, "0 direct")
        wait_until(lambda: db.value("SELECT send_status FROM whatsapp_notifications WHERE id = %s", direct) == "sent", "the other message sent")
        assert db.sql(WAITING_PLANNERS) and app.arrivals() == [0]
        cursor.execute("ROLLBACK")
    blocker.close()
    app.wait_for(ids)


@pytest.fixture
def crowded(db, start_daemon):
    """An application for whose messages there is no room: some are in flight for long, and many are due."""
    with receiving(latency_ms=50) as slow:
        app = Application(db, slow)
        start_daemon(credentials=CREDENTIALS, max_in_flight=2)
        app.insert(1000)
        wait_until(lambda: len(app.arrivals()) > 2, "the first messages")
        yield app
        assert app.counts()["pending"] > 2, "there was room in the end, so this shows nothing"


def wait_planned(db, rule, key):
    """When the message was made."""
    return wait_until(lambda: db.value("SELECT created_at FROM whatsapp_notifications WHERE rule = %s AND dedup_key = %s", rule, str(key)),
                      "it planned", pause_sec=0.001)


def test_while_there_is_no_room_for_what_is_due_events_gather(db, crowded):
    """A few large batches cost the server less than many small ones, and what they make would have to wait anyway."""
    moments = [wait_planned(db, "bench", crowded.insert(1)[0]) for _ in range(6)]
    assert min((after - before).total_seconds() for before, after in zip(moments, moments[1:])) >= 0.05


def test_what_gathers_does_not_wait_for_its_rules_sweep(db, crowded):
    db.sql("""CREATE OR REPLACE VIEW readings_due AS
              SELECT id::text AS dedup_key, '+88017' || lpad(id::text, 8, '0') AS recipient,
                     jsonb_build_object('id', id, 'created_usec', created_usec) AS data, id AS key
                FROM readings WHERE id <> 1 OR pg_sleep(2) IS NOT NULL""")  # looked up by key it is as fast as before
    swept = db.value("SELECT swept_at FROM herald.rules")
    with db.connection.cursor() as cursor:
        cursor.execute("BEGIN")
        number, = crowded.insert(1)
        cursor.execute("UPDATE herald.rules SET next_sweep_at = clock_timestamp(); COMMIT")
    wait_planned(db, "bench", number)
    assert db.value("SELECT swept_at FROM herald.rules") == swept
    wait_until(lambda: db.value("SELECT swept_at FROM herald.rules") > swept, "the sweep")


def test_a_rule_with_priority_does_not_gather(db, crowded):
    """Its messages leave before what is due already."""
    db.sql("CREATE TABLE public.alarm (id int PRIMARY KEY)")
    add_rule(db, "alarms", "SELECT id AS key, id::text AS dedup_key, '+88018' || lpad(id::text, 8, '0') AS recipient, '{}'::jsonb AS data,"
                           " id || ' 0' AS body FROM public.alarm", priority=1)
    db.sql("SELECT herald.watch('public.alarm', 'alarms')")
    wait_until(lambda: db.value("SELECT bool_and(swept_at IS NOT NULL AND next_sweep_at > clock_timestamp()) FROM herald.rules"), "the first sweeps")

    def lead_sec():
        with db.connection.cursor() as cursor:
            cursor.execute("BEGIN")
            number, = crowded.insert(1)
            cursor.execute("INSERT INTO public.alarm VALUES (%s); COMMIT", (number,))
        return (wait_planned(db, "bench", number) - wait_planned(db, "alarms", number)).total_seconds()

    assert max(lead_sec() for _ in range(6)) > 0.04  # one undisturbed round will do
