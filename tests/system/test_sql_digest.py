"""Digests: what is due for one recipient within a window is one message, composed when the window ends."""

from datetime import timedelta

import pytest

from player import Daemon, accepted, add_rule, add_senders, row


@pytest.fixture
def daemon(db):
    """A daemon with a sender, and a rule that gathers what is stuck for five minutes: at most three meters by name."""
    add_senders(db, "wa")
    db.sql("""CREATE TABLE public.meter (id int PRIMARY KEY, nocs text DEFAULT '+8801700000001', stuck boolean DEFAULT true);
              INSERT INTO herald.templates (name, body) VALUES ('line', 'Meter {{id}}'), ('many', E'{{count}} meters are stuck:\\n{{list}}\\n{{more}}')""")
    add_rule(db, "meters", "SELECT id::text AS dedup_key, nocs AS recipient, jsonb_build_object('id', id) AS data FROM public.meter WHERE stuck",
             "line", digest="5 min", digest_template="many", digest_length=3, recheck=True)
    player = Daemon(db)
    player.work()
    yield player
    player.close()


def add(db, daemon, *ids, nocs="+8801700000001"):
    for i in ids:
        db.sql("INSERT INTO public.meter (id, nocs) VALUES (%s, %s)", i, nocs)
    daemon.plan("meters")


def window_ends(db, only="true"):
    db.sql(f"UPDATE public.whatsapp_notifications SET next_at = clock_timestamp() - interval '1 ms' WHERE gathers AND {only}")


def gather(db, daemon):
    """A claim meets what is due; the planner gathers it."""
    assert daemon.turn().claims == []
    daemon.work()


def test_one_message_for_all_that_came_within_the_window(db, daemon):
    add(db, daemon, 1, 2, 3, 4, 5)
    assert daemon.turn().claims == []
    assert db.value("SELECT bool_and(next_at - created_at BETWEEN '299 s' AND '301 s') FROM public.whatsapp_notifications")
    add(db, daemon, 6)
    add(db, daemon, 7, nocs="+8801700000002")
    window_ends(db, "meter_number IS NULL AND id = (SELECT min(id) FROM public.whatsapp_notifications)")
    gather(db, daemon)
    message, = daemon.turn().claims
    assert (message.target, message.body) == ("+8801700000001", "6 meters are stuck:\nMeter 1\nMeter 2\nMeter 3\n+ 3 more")
    told = db.sql("SELECT send_status, digest_id FROM whatsapp_notifications WHERE target = '+8801700000001' AND id <> %s", message.id)
    assert told == [("suppressed", message.id)] * 6
    daemon.turn(accepted(message), room=0)
    assert any(f"told with others in notification {message.id}" in what for _, what in db.sql("SELECT at, what FROM herald.explain(1)"))
    daemon.plan("meters")
    assert daemon.turn().claims == []  # once is once


def test_what_is_no_longer_true_when_the_window_ends_is_not_told(db, daemon):
    add(db, daemon, 1, 2)
    db.sql("UPDATE public.whatsapp_notifications SET created_at = created_at - interval '5 min'")
    db.sql("UPDATE public.meter SET stuck = false WHERE id = 1")
    window_ends(db)
    gather(db, daemon)
    assert [c.body for c in daemon.turn().claims] == ["1 meters are stuck:\nMeter 2\n"]
    db.sql("UPDATE public.meter SET stuck = true")
    daemon.plan("meters")
    assert db.value("SELECT count(*) FROM whatsapp_notifications WHERE gathers AND send_status = 'pending'") == 1  # the next occurrence is new


def test_the_next_window_is_a_message_of_its_own(db, daemon):
    add(db, daemon, 1)
    window_ends(db)
    gather(db, daemon)
    daemon.turn(accepted(daemon.turn().claims[0]), room=0)
    add(db, daemon, 2)
    window_ends(db)
    gather(db, daemon)
    assert [c.body for c in daemon.turn().claims] == ["1 meters are stuck:\nMeter 2\n"]


def test_without_its_template_it_fails_with_the_reason(db, daemon):
    add(db, daemon, 1)
    db.sql("DELETE FROM herald.templates WHERE name = 'many'")
    window_ends(db)
    gather(db, daemon)
    assert daemon.turn().claims == []
    assert db.sql("SELECT send_status, error FROM whatsapp_notifications WHERE dedup_key LIKE 'digest/%'") == [("failed", 'there is no template "many"')]
    db.sql("INSERT INTO herald.templates (name, body) VALUES ('many', '{{count}}')")
    db.sql("SELECT herald.retry(id) FROM whatsapp_notifications WHERE dedup_key LIKE 'digest/%'")
    assert [c.body for c in daemon.turn().claims] == ["1"]


def test_a_person_who_retries_one_gets_it_alone(db, daemon):
    add(db, daemon, 1, 2)
    window_ends(db)
    gather(db, daemon)
    daemon.turn(accepted(daemon.turn().claims[0]), room=0)
    db.sql("SELECT herald.retry(1)")
    assert [c.body for c in daemon.turn().claims] == ["Meter 1"]
    assert row(db, 1)["gathers"] is None


def test_a_window_as_long_as_max_age_is_told_when_it_ends(db, daemon):
    db.sql("SELECT herald.add_rule('meters', 'public.meters', 'line', digest => '1 day', digest_template => 'many', recheck => true)")
    add(db, daemon, 1, 2)
    assert db.column("SELECT expires_at - next_at FROM whatsapp_notifications") == [timedelta(days=1)] * 2
    db.sql("UPDATE public.whatsapp_notifications SET created_at = created_at - interval '1 day', expires_at = expires_at - interval '1 day'")
    window_ends(db)
    gather(db, daemon)
    assert [c.body for c in daemon.turn().claims] == ["2 meters are stuck:\nMeter 1\nMeter 2\n"]


def test_what_expires_within_the_window_is_told_before(db, daemon):
    db.sql("CREATE OR REPLACE VIEW public.meters AS SELECT id::text AS dedup_key, nocs AS recipient, jsonb_build_object('id', id) AS data,"
           " now() + interval '3 min' AS expires_at FROM public.meter WHERE stuck;"
           "SELECT herald.add_rule('meters', 'public.meters', 'line', digest => '5 min', digest_template => 'many')")
    add(db, daemon, 1)
    assert db.value("SELECT expires_at - next_at FROM whatsapp_notifications") == timedelta(minutes=1)
    assert db.value("SELECT next_at > created_at + interval '100 s' FROM whatsapp_notifications")


def test_what_gathers_is_told_alone_when_its_rule_has_a_digest_no_more(db, daemon):
    add(db, daemon, 1, 2, nocs="+8801700000001")
    add(db, daemon, 3, nocs="+8801700000002")
    db.sql("SELECT herald.add_rule('meters', 'public.meters', 'line')")
    assert [c.body for c in daemon.turn().claims] == ["Meter 1", "Meter 3"]  # one at a time to one person
    assert daemon.turn().tasks == [("meters", "sweep")]
    assert db.value("SELECT count(*) FROM herald.rechecks") == 0


def test_what_was_told_with_others_is_not_retried_with_all(db, daemon):
    add(db, daemon, 1, 2)
    window_ends(db)
    gather(db, daemon)
    daemon.turn(accepted(daemon.turn().claims[0]), room=0)
    assert db.value("SELECT herald.retry_all('suppressed')") == 0
    assert daemon.turn().claims == []


def test_what_was_gathered_goes_as_it_is_when_the_rule_gathers_no_more(db, daemon):
    add(db, daemon, 1, 2)
    db.sql("UPDATE herald.rules SET digest = NULL")
    window_ends(db)
    assert sorted(c.body for c in daemon.turn().claims) == ["Meter 1"]  # the other one waits behind it
    assert db.value("SELECT count(*) FROM herald.rechecks") == 0


def test_a_digest_goes_over_two_lanes_of_one_kind(db, daemon):
    """Two transactions that made it at the same time each made one."""
    add(db, daemon, 1, 2)
    db.sql("""WITH twin AS (INSERT INTO herald.lanes (channel, sender, rule, priority) SELECT channel, sender, rule, priority FROM herald.lanes RETURNING id)
              UPDATE public.whatsapp_notifications n SET lane = twin.id FROM twin WHERE n.id = 2""")
    window_ends(db)
    gather(db, daemon)
    assert [claim.body for claim in daemon.turn().claims] == ["2 meters are stuck:\nMeter 1\nMeter 2\n"]
