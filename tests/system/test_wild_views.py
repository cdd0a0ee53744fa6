"""Functions of a rule's view that break, or outlive, the connection that reads it: the rule says so and waits, and all others go on."""

import pytest

from conftest import wait_until
from daemon import start_daemon  # noqa: F811, F401 (fixture)
from load import BACKENDS, CREDENTIALS, Application, receiving
from player import add_rule

MOST_MB = 56  # the unit grants 64
SLEEPS = """BEGIN PERFORM pg_sleep(100); EXCEPTION WHEN query_canceled THEN PERFORM pg_sleep(1000); END"""
SHOUTS = """RAISE NOTICE '%', repeat('x', 100000000)"""
CHATTERS = """FOR i IN 1..100000 LOOP RAISE NOTICE '%', repeat('x', 1000); END LOOP"""


@pytest.fixture
def app(db):
    with receiving() as sink:
        yield Application(db, sink)


def add_wild_rule(db, body, time_limit):
    """A rule over a view of one row, whose function is this."""
    db.sql(f"CREATE FUNCTION public.wild() RETURNS text LANGUAGE plpgsql AS $f$ BEGIN {body}; RETURN '+8801799999999'; END $f$")
    add_rule(db, "wild", "SELECT 1 AS key, '1' AS dedup_key, public.wild() AS recipient, '{}'::jsonb AS data, 'x' AS body", paused=True, time_limit=time_limit)
    db.sql("SELECT herald.resume('rule', 'wild')")


def failures(db):
    return db.row("SELECT failures, error, next_sweep_at > clock_timestamp() AS waits FROM herald.rules WHERE name = 'wild'")


def test_a_function_that_catches_its_cancellation_is_ended(app, start_daemon):  # noqa: F811
    db = app.db
    add_wild_rule(db, SLEEPS, "200 ms")
    daemon = start_daemon(credentials=CREDENTIALS, log_level="warning")
    wait_until(lambda: db.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"), "it sleeps")
    [(pid,)] = db.sql("SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    app.wait_for(app.insert(20), 4)
    wait_until(lambda: failures(db)["failures"] == 1, "it is said", 15)
    assert failures(db)["error"].startswith("sweep: its source goes on though it was cancelled, so its session is terminated")
    assert failures(db)["waits"]
    wait_until(lambda: pid not in db.column(BACKENDS), "its session has ended")
    assert daemon.output().count("this rule can't be planned") == 1
    app.wait_for(app.insert(20), 4)
    assert daemon.stop() == 0


@pytest.mark.parametrize("body", [SHOUTS, CHATTERS], ids=["at once", "bit by bit"])
def test_a_function_that_raises_endless_notices_is_left_alone(app, start_daemon, body):  # noqa: F811
    db = app.db
    add_wild_rule(db, body, "30 s")
    daemon = start_daemon(credentials=CREDENTIALS, log_level="warning")
    wait_until(lambda: failures(db)["failures"] == 1, "it is said")
    assert failures(db)["error"] == "sweep: the connection to the server breaks while its source is read: the server sent more than 24 MB"
    assert failures(db)["waits"]
    app.wait_for(app.insert(20), 4)
    assert daemon.memory_mb("VmHWM") < MOST_MB
    assert daemon.stop() == 0
