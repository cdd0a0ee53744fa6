"""Floors: looks do not walk over what is long done while some session holds an old snapshot; and nothing that waits is below them."""

import pytest

from conftest import wait_until
from player import Daemon, accepted, add_rule, add_senders, send, wait
from test_sql_limits import entries_read


@pytest.fixture
def daemon(db):
    add_senders(db, "wa")
    player = Daemon(db)
    yield player
    player.close()


def ticks(db, count=4):
    """So many looks at the floors, each in a transaction of its own."""
    for _ in range(count):
        db.sql("UPDATE herald.floors SET reset_at = clock_timestamp()")
        db.sql("SELECT herald.raise_floors('0 s')")


def rise(db):
    """Looks at the floors until they are above what is done by now: whoever writes in this moment, in any database, must end first."""
    last, at = db.row("SELECT s.last_value AS last, clock_timestamp() AS at FROM herald.events_id_seq s").values()
    wait_until(lambda: ticks(db, 1) or db.value("SELECT event_id >= %s AND (SELECT bool_and(floor > %s) FROM herald.lanes) FROM herald.floors",
                                                last, at), "the floors to rise")


def deliver(daemon):
    """Everything that is due goes."""
    sent = []
    while claims := daemon.turn(room=500).claims:
        sent += [c.id for c in claims]
        daemon.turn(*(accepted(c, message_id=f"m{c.id}") for c in claims), room=0)
    return sent


@pytest.fixture
def old_snapshot(db):
    connection = db.connect()
    cursor = connection.cursor()
    cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    cursor.execute("SELECT count(*) FROM whatsapp_notifications")
    yield
    connection.close()


def write(db, number=50, ago="0 s"):
    """A row as the planner would write it, in the first lane; its id."""
    return db.value("""INSERT INTO public.whatsapp_notifications (target, target_kind, body, next_at, lane)
                       SELECT '+88017' || lpad(%s::text, 8, '0'), 'individual', 'x', clock_timestamp() - %s::interval, min(id) FROM herald.lanes
                       RETURNING id""", number, ago)


# With the settings of herald.turn(), in which they are made.
LOOKS = """SELECT set_config(split_part(c, '=', 1), split_part(c, '=', 2), true)
             FROM pg_proc p, unnest(p.proconfig) c WHERE p.oid = 'herald.turn'::regproc AND c NOT LIKE 'search_path%';
           SELECT herald.claim(1, 100), herald.is_due(), herald.next_due_usec(1, 10)"""


def test_looks_do_not_walk_over_what_is_done(db, daemon, old_snapshot):
    send(db, 1)
    deliver(daemon)
    ticks(db)
    reads = []
    for n in range(3):
        db.sql("""INSERT INTO public.whatsapp_notifications (target, target_kind, body, next_at, lane)
                  SELECT '+88018' || lpad(n::text, 8, '0'), 'individual', 'x', clock_timestamp(), (SELECT min(id) FROM herald.lanes)
                    FROM generate_series(1, 1000) n""")
        assert len(deliver(daemon)) == 1000
        rise(db)
        reads.append(entries_read(db, LOOKS))
    assert max(reads) < 500, reads


def test_nor_do_planners_over_events(db, daemon, old_snapshot):
    db.sql("""CREATE TABLE public.thing (id serial PRIMARY KEY);
              SELECT herald.attend('node-1', 1, 0)""")
    add_rule(db, "things", "SELECT id AS key, id::text AS dedup_key, '+88017' || lpad(id::text, 8, '0') AS recipient, '{}'::jsonb AS data, 'x' AS body FROM public.thing",
             flood_limit=100000)
    db.sql("SELECT herald.watch('public.thing', 'things')")
    daemon.work()
    for _ in range(2):
        db.sql("INSERT INTO public.thing SELECT FROM generate_series(1, 1000)")
        daemon.work()
        deliver(daemon)
        rise(db)
    assert db.value("SELECT event_id FROM herald.floors") >= 2000
    db.sql("INSERT INTO public.thing DEFAULT VALUES")
    assert daemon.work()[0][2]["new"] == 1


def test_a_row_whose_writer_was_open_all_the_while_is_not_below(db, daemon):
    send(db, 1)
    deliver(daemon)
    ticks(db)
    writer = db.connect()
    cursor = writer.cursor()
    cursor.execute("BEGIN")
    cursor.execute("""INSERT INTO public.whatsapp_notifications (target, target_kind, body, next_at, lane)
                      SELECT '+8801700000050', 'individual', 'x', clock_timestamp(), min(id) FROM herald.lanes RETURNING id""")
    ident, = cursor.fetchone()
    ticks(db, 6)
    cursor.execute("COMMIT")
    writer.close()
    assert deliver(daemon) == [ident]


def test_an_event_whose_writer_was_open_all_the_while_is_not_below(db, daemon):
    db.sql("CREATE TABLE public.thing (id serial PRIMARY KEY); SELECT herald.attend('node-1', 1, 0)")
    add_rule(db, "things", "SELECT id AS key, id::text AS dedup_key, '+8801700000001' AS recipient, '{}'::jsonb AS data, 'x' AS body FROM public.thing")
    db.sql("SELECT herald.watch('public.thing', 'things')")
    daemon.work()
    writer = db.connect()
    cursor = writer.cursor()
    cursor.execute("BEGIN; INSERT INTO public.thing DEFAULT VALUES")
    db.sql("INSERT INTO public.thing DEFAULT VALUES")
    daemon.work()
    ticks(db, 6)
    cursor.execute("COMMIT")
    writer.close()
    assert daemon.work()[0][2]["new"] == 1


@pytest.fixture
def high(db, daemon):
    """Floors that are raised above an hour ago."""
    send(db, 99)
    deliver(daemon)
    rise(db)
    return daemon


def old(db, number):
    """A message of an hour ago, in flight since before the floor was raised."""
    ident = send(db, number)
    db.sql("UPDATE public.whatsapp_notifications SET created_at = clock_timestamp() - interval '1 hour' WHERE id = %s", ident)
    return ident


def test_what_goes_back_for_its_senders_sake_is_not_below(db, high):
    ident = old(db, 1)
    high.turn(wait(high.turn().claims[0], "sender"), room=0)
    db.sql("DELETE FROM herald.holds")
    assert deliver(high) == [ident]


def test_what_was_claimed_in_a_lost_answer_is_not_below(db, high):
    ident = old(db, 1)
    high.turn()
    high.close()
    again = Daemon(db, incarnation=high.incarnation)
    assert deliver(again) == [ident]
    again.close()


def test_what_waited_behind_another_is_not_below(db, high):
    first, second = send(db, 1), send(db, 1)
    claims = high.turn().claims
    db.sql("UPDATE public.whatsapp_notifications SET next_at = clock_timestamp() - interval '1 hour' WHERE id = %s", second)
    assert [c.id for c in claims] == [first]
    assert [c.id for c in high.turn(accepted(claims[0])).claims] == [second]


def test_what_a_person_resumes_is_not_below(db, high):
    ident = old(db, 1)
    db.sql("SELECT herald.pause('recipient', '+8801700000001', 'x')")
    assert high.turn().claims == []
    db.sql("SELECT herald.resume('recipient', '+8801700000001')")
    assert deliver(high) == [ident]


def test_what_goes_back_while_the_floor_is_being_raised_keeps_it_down(db, daemon):
    send(db, 1)
    deliver(daemon)
    ticks(db)
    lane = db.value("SELECT max(id) FROM herald.lanes")
    other = db.connect()
    cursor = other.cursor()
    cursor.execute("BEGIN; SELECT herald.not_below_floor(%s, clock_timestamp() - interval '1 hour')", (lane,))
    before = db.value("SELECT floor::text FROM herald.lanes WHERE id = %s", lane)
    ticks(db, 6)
    assert db.value("SELECT floor::text FROM herald.lanes WHERE id = %s", lane) == before
    cursor.execute("ROLLBACK")
    other.close()
    rise(db)


def test_floors_are_reset_every_ten_minutes(db, high):
    """What no function of pgherald's has put there."""
    ident = write(db, ago="1 hour")
    assert deliver(high) == []
    db.sql("UPDATE herald.floors SET reset_at = reset_at - interval '11 min', looked_at = looked_at - interval '3 s'")
    other = send(db, 98)
    assert sorted(deliver(high)) == [ident, other]


def test_a_database_restored_elsewhere_has_younger_transactions(db, high):
    db.sql("UPDATE herald.floors SET pending_xid = '9000000000000', looked_at = looked_at - interval '3 s'")
    send(db, 98)
    deliver(high)
    assert db.sql("SELECT floor::text FROM herald.lanes") == [("-infinity",)]


def test_status_names_who_holds_an_old_snapshot(db, daemon, old_snapshot):
    query = "SELECT value, attention FROM herald.status WHERE item = 'old snapshot'"
    assert db.sql(query) == []
    db.sql("UPDATE herald.settings SET value = '0 s' WHERE name = 'old_snapshot'")
    found = [(value, attention) for value, attention in db.sql(query) if "postgres" in value]
    assert found and all("pg_terminate_backend(" in attention for _, attention in found)
