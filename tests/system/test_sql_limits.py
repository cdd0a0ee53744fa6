"""Limits: no rolling window ever holds more than it may, across nodes; a full sender costs the others nothing; and explain says which."""

import time

import pytest

from player import Daemon, accepted, add_senders, row, send


@pytest.fixture
def daemon(db):
    player = Daemon(db)
    yield player
    player.close()


def story(db, ident):
    return [what for _, what in db.sql("SELECT at, what FROM herald.explain(%s)", ident)]


def fill(db, sender, count):
    """So many messages that only this sender may carry."""
    db.sql("""INSERT INTO public.whatsapp_notifications (target, target_kind, body, next_at, lane)
              SELECT '+88018' || lpad(n::text, 8, '0'), 'individual', 'x', clock_timestamp() - interval '1 hour', lane
                FROM herald.make_lane('whatsapp', %s, NULL, 0) lane, generate_series(1, %s) n""", sender, count)


def test_no_window_ever_holds_more_than_it_may_whichever_node_claims(db, daemon):
    add_senders(db, "wa", limits="{5/1 s,11/3 s}")
    fill(db, "wa", 100)
    other = Daemon(db, node="node-2")
    end = time.monotonic() + 5
    while time.monotonic() < end:
        for node in (daemon, other):
            node.turn()
    other.close()
    # The lease began at the claim.
    at = db.column("SELECT extract(epoch FROM next_at)::float FROM whatsapp_notifications WHERE owner IS NOT NULL ORDER BY 1")
    assert len(at) >= 15  # and it does not stand still
    assert all(later - earlier > 1 for earlier, later in zip(at, at[5:]))
    assert all(later - earlier > 3 for earlier, later in zip(at, at[11:]))


@pytest.mark.parametrize("columns", [{"limits": "{1/1 hour}"}, {"gap": "1 min"}, {"max_in_flight": 1}])
def test_of_what_several_rules_have_for_one_sender_it_takes_as_many_as_it_may(db, daemon, columns):
    add_senders(db, "wa", **columns)
    for priority in (0, 0, 1, 2):
        db.sql("SELECT herald.send(%s, 'x', priority => %s)", f"+880180000000{priority}", priority)
    for _ in range(3):
        daemon.turn()
    assert db.value("SELECT count(*) FROM whatsapp_notifications WHERE owner IS NOT NULL") == 1


def test_a_long_window_is_exact_to_a_sixtieth(db, daemon):
    add_senders(db, "wa", limits="{3/1 hour}")
    fill(db, "wa", 10)
    assert len(daemon.turn().claims) == 3
    for minutes_ago, claimed in ((58, 0), (62, 3)):
        db.sql("""UPDATE herald.counts SET bucket = floor(extract(epoch FROM clock_timestamp() - make_interval(mins => %s)) / span_sec)
                   WHERE kind = 'claimed'""", minutes_ago)
        assert len(daemon.turn().claims) == claimed


def test_the_next_moment_is_computed(db, daemon):
    add_senders(db, "wa", limits="{2/1 hour}")
    fill(db, "wa", 10)
    daemon.turn()
    assert 3600 - 60 <= daemon.turn().due_sec <= 3600 + 60 or daemon.turn().due_sec <= 46  # or the end of a lease, where that is sooner
    db.sql("UPDATE public.whatsapp_notifications SET owner = NULL, next_at = NULL, send_status = 'sent' WHERE owner IS NOT NULL")
    assert 3600 - 60 <= daemon.turn().due_sec <= 3600 + 60


def test_a_full_sender_with_a_hundred_thousand_waiting_neither_slows_nor_delays_another(db, daemon):
    add_senders(db, "full", limits="{100/1 day}")
    add_senders(db, "free")
    fill(db, "full", 100000)
    daemon.turn(*(accepted(c, message_id=f"m{c.id}") for c in daemon.turn(room=200).claims), room=0)
    assert db.value("SELECT count(*) FROM whatsapp_notifications WHERE send_status = 'sent'") == 100
    idents = [send(db, i, sender="free") for i in range(20)]
    assert 20 <= entries_read(db, f"SELECT herald.claim({daemon.incarnation}, 100)") < 1000
    assert daemon.turn(room=100).ids == idents


def entries_read(db, statement):
    """How many entries of the history's indexes a statement reads."""
    connection = db.connect()
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(statement)
        cursor.execute("""SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid))::int FROM pg_index
                           WHERE indrelid = 'public.whatsapp_notifications'::regclass""")
        read, = cursor.fetchone()
        cursor.execute("ROLLBACK")
    connection.close()
    return read


def test_explain_says_which_limit_and_until_when(db, daemon):
    add_senders(db, "wa", limits="{100/1 s,1/1 hour}")
    first, second = send(db, 1), send(db, 2)
    daemon.turn(accepted(daemon.turn().claims[0]), room=0)
    assert row(db, first)["send_status"] == "sent"
    line, = [s for s in story(db, second) if "limit" in s]
    assert line.startswith('sender "wa" has reached its limit 1/1 hour; it has room again at ')


def test_explain_says_that_a_sender_pauses_or_has_its_hands_full(db, daemon):
    add_senders(db, "wa", gap="1 hour")
    add_senders(db, "wb", max_in_flight=1)
    idents = [send(db, i) for i in range(4)]
    daemon.turn()
    lines = story(db, idents[-1])
    assert any(s.startswith('sender "wa" pauses between two messages until ') for s in lines), lines
    assert 'sender "wb" has 1 in flight, which is as many as it may' in lines
