"""Recheck: what had to wait is sent only if its rule's source still holds it, and what is cancelled gives its key back."""

import pytest

from player import Daemon, accepted, add_rule, add_senders, row, send, wait


@pytest.fixture
def daemon(db):
    """A daemon with a sender."""
    add_senders(db, "wa")
    player = Daemon(db)
    yield player
    player.close()


@pytest.fixture
def meters(db, daemon):
    """A rule with recheck over a table: one message a stuck meter. Two are stuck, and have waited for two minutes."""
    db.sql("""CREATE TABLE public.meter (id int PRIMARY KEY, stuck boolean DEFAULT true, looked int DEFAULT 0);
              INSERT INTO public.meter VALUES (1), (2);
              INSERT INTO herald.templates (name, body) VALUES ('stuck', 'Meter {{meter_number}} is stuck')""")
    add_rule(db, "meters", """SELECT id::text AS dedup_key, '+880170000000' || id AS recipient,
                                     jsonb_build_object('meter_number', id) AS data FROM public.meter WHERE stuck""", "stuck", recheck=True)
    daemon.work()
    age(db)
    return db


def age(db, minutes=2):
    """What was made, or confirmed, was so long ago."""
    db.sql("""UPDATE public.whatsapp_notifications SET created_at = created_at - make_interval(mins => %s),
              next_at = next_at - make_interval(mins => %s), confirmed_at = confirmed_at - make_interval(mins => %s)""", minutes, minutes, minutes)


def ask(daemon):
    """A claim meets what has waited, and the planner asks the source."""
    assert daemon.turn().claims == []
    daemon.work()


def states(db):
    return db.sql("SELECT meter_number, send_status, dedup_key FROM whatsapp_notifications ORDER BY id")


def test_what_had_to_wait_is_sent_only_if_it_is_still_true(meters, daemon):
    meters.sql("UPDATE public.meter SET stuck = false WHERE id = 1")
    turn = daemon.turn()
    assert turn.claims == [] and turn.tasks == [("meters", "events")]
    daemon.plan("meters", "events")
    assert [c.target for c in daemon.turn().claims] == ["+8801700000002"]
    assert states(meters) == [("1", "cancelled", None), ("2", "sending", "2")]
    assert "no longer true" in meters.value("SELECT error FROM whatsapp_notifications WHERE meter_number = '1'")


def test_what_was_cancelled_gives_its_key_back(meters, daemon):
    meters.sql("UPDATE public.meter SET stuck = false")
    ask(daemon)
    assert {s for _, s, _ in states(meters)} == {"cancelled"}
    meters.sql("UPDATE public.meter SET stuck = true WHERE id = 2; UPDATE herald.rules SET next_sweep_at = clock_timestamp()")
    daemon.work()
    assert states(meters)[2:] == [("2", "pending", "2")]
    assert [c.target for c in daemon.turn().claims] == ["+8801700000002"]


def test_what_is_fresh_is_sent_without_being_asked_for(meters, daemon):
    meters.sql("UPDATE public.meter SET stuck = false; UPDATE public.whatsapp_notifications SET created_at = clock_timestamp()")
    assert len(daemon.turn().claims) == 2


def test_what_was_confirmed_holds_for_a_minute(meters, daemon):
    ask(daemon)
    meters.sql("UPDATE public.meter SET stuck = false")
    first = daemon.turn(room=1).claims
    assert len(first) == 1
    age(meters)
    assert daemon.turn(accepted(first[0])).claims == []
    daemon.work()
    assert [s for _, s, _ in states(meters)] == ["sent", "cancelled"]


def test_a_retry_is_rechecked_too(meters, daemon):
    ask(daemon)
    claims = daemon.turn().claims
    daemon.turn(*(wait(c, "message") for c in claims), room=0)
    age(meters, 30)
    meters.sql("UPDATE public.meter SET stuck = false WHERE id = 2")
    ask(daemon)
    assert [s for _, s, _ in states(meters)] == ["pending", "cancelled"]


def test_other_rules_and_messages_by_hand_go_on_meanwhile(meters, daemon):
    add_rule(meters, "others", "SELECT 'k' AS dedup_key, '+8801700000009' AS recipient, '{}'::jsonb AS data, 'hi' AS body")
    daemon.plan("others")
    by_hand = send(meters, 10)
    assert {c.target for c in daemon.turn().claims} == {"+8801700000009", row(meters, by_hand)["target"]}
    assert daemon.turn().due_sec > 1  # nothing to poll for: the planner has it
    assert "confirmed" in meters.value("SELECT what FROM herald.explain((SELECT min(id) FROM whatsapp_notifications)) WHERE what LIKE '%confirmed%'")


def test_while_the_source_fails_nothing_of_it_is_sent(meters, daemon):
    meters.sql("ALTER TABLE public.meter RENAME TO metre; DROP VIEW public.meters")
    daemon.turn()
    assert daemon.plan("meters", "events")["result"] == "failed"
    assert daemon.turn().claims == []
    meters.sql("""CREATE VIEW public.meters AS SELECT id::text AS dedup_key, '+8801700000001' AS recipient, '{}'::jsonb AS data FROM public.metre;
                  GRANT SELECT ON public.meters TO herald_rules; UPDATE herald.rules SET retry_at = clock_timestamp()""")
    daemon.work()
    assert len(daemon.turn().claims) == 2


def test_without_recheck_the_question_is_forgotten(meters, daemon):
    daemon.turn()
    meters.sql("UPDATE herald.rules SET recheck = false; UPDATE public.meter SET stuck = false")
    assert len(daemon.turn().claims) == 2
    daemon.backstop()
    assert meters.value("SELECT count(*) FROM herald.rechecks") == 0


def test_a_person_who_retries_it_is_not_contradicted(meters, daemon):
    meters.sql("UPDATE public.meter SET stuck = false")
    ask(daemon)
    meters.sql("SELECT herald.retry(min(id)) FROM whatsapp_notifications")
    age(meters)
    assert [c.target for c in daemon.turn().claims] == ["+8801700000001"]


def test_a_lane_with_many_waiting_does_not_keep_another_from_being_confirmed(meters, daemon):
    """A full sender's thousands of rows come first by their time."""
    add_senders(meters, "full", limits="{1/1 day}")
    meters.sql("""INSERT INTO herald.counts SELECT 'claimed', 'full', 1440, extract(epoch FROM clock_timestamp())::bigint / 1440, 1;
                  INSERT INTO public.meter SELECT n FROM generate_series(10, 1500) n;
                  INSERT INTO public.whatsapp_notifications (rule, dedup_key, target, target_kind, body, next_at, created_at, lane)
                  SELECT 'meters', n, '+88018' || n, 'individual', 'x', clock_timestamp() - interval '1 hour',
                         clock_timestamp() - interval '1 hour', herald.make_lane('whatsapp', 'full', 'meters', 0) FROM generate_series(10, 1500) n""")
    daemon.turn()
    daemon.plan("meters", "events")
    assert len(daemon.turn().claims) == 2


def wait_long(db, daemon, condition):
    """A rule with recheck over four readings that meet the condition; their messages have waited for two minutes."""
    db.sql("""CREATE TABLE public.reading (id int PRIMARY KEY, n text DEFAULT '10'); INSERT INTO public.reading SELECT generate_series(1, 4);
              CREATE FUNCTION public.as_number(text) RETURNS int LANGUAGE plpgsql COST 10000 AS 'BEGIN RETURN $1::int; END'""")
    add_rule(db, "r", f"""SELECT id AS key, CASE WHEN id = 2 THEN 'second' ELSE id::text END AS dedup_key, '+880170000000' || id AS recipient,
                                 '{{}}'::jsonb AS data, 'b'::text AS body FROM public.reading WHERE {condition}""", recheck=True)
    db.sql("SELECT herald.watch('public.reading', 'r')")
    daemon.work()
    age(db)


def plan_events(db, daemon):
    """Claims meet what has waited, and the planner is asked; what it did."""
    assert daemon.turn().claims == []
    assert ("r", "events") in daemon.turn(room=0).tasks
    return daemon.plan("r", "events")


def targets(daemon):
    return sorted(c.target[-1] for c in daemon.turn().claims)


def test_a_row_that_cannot_be_evaluated_keeps_only_its_own_message_waiting(db, daemon):
    wait_long(db, daemon, "as_number(n) > 3")
    db.sql("ALTER TABLE reading DISABLE TRIGGER ALL; UPDATE reading SET n = 'ten' WHERE id = 3; UPDATE reading SET n = '1' WHERE id = 4; ALTER TABLE reading ENABLE TRIGGER ALL;"
           "INSERT INTO reading VALUES (5)")
    done = plan_events(db, daemon)
    assert (done["result"], done["new"], done["set_aside"]) == ("done", 1, 1)
    assert targets(daemon) == ["1", "2", "5"]
    assert db.column("SELECT send_status FROM whatsapp_notifications WHERE dedup_key IS NULL") == ["cancelled"]
    assert [key for key, error in db.sql("SELECT key, error FROM herald.set_aside") if 'syntax for type integer: "ten"' in error] == ["3"]
    third = db.row("SELECT * FROM whatsapp_notifications WHERE dedup_key = '3'")
    assert third["send_status"] == "pending" and "not confirmed: invalid input" in third["error"]
    assert db.value("SELECT next_at > clock_timestamp() + interval '50 s' FROM whatsapp_notifications WHERE dedup_key = '3'")
    assert any("is asked at" in what and "invalid input" in what for _, what in db.sql("SELECT at, what FROM herald.explain(%s)", third["id"]))
    # Mended, it goes.
    db.sql("UPDATE reading SET n = '10' WHERE id = 3; UPDATE whatsapp_notifications SET next_at = clock_timestamp() WHERE dedup_key = '3'")
    plan_events(db, daemon)
    assert targets(daemon) == ["3"]
    assert row(db, third["id"])["error"] is None


def test_where_no_row_can_be_searched_for_those_are_confirmed_that_a_key_finds(db, daemon):
    wait_long(db, daemon, "n::int > 3")
    db.sql("ALTER TABLE reading DISABLE TRIGGER ALL; DELETE FROM reading WHERE id = 4; INSERT INTO reading VALUES (5, 'five'); ALTER TABLE reading ENABLE TRIGGER ALL;"
           "INSERT INTO reading VALUES (6)")
    done = plan_events(db, daemon)
    assert (done["result"], done["new"], done["set_aside"]) == ("done", 1, 2)
    assert targets(daemon) == ["1", "3", "6"]
    assert db.column("SELECT dedup_key FROM whatsapp_notifications WHERE error LIKE 'not confirmed: invalid input%' ORDER BY 1") == ["4", "second"]
    # What is never confirmed ends with its reason.
    db.sql("UPDATE whatsapp_notifications SET next_at = clock_timestamp(), expires_at = clock_timestamp() WHERE dedup_key IN ('4', 'second')")
    daemon.turn()
    assert db.value("SELECT count(*) FROM whatsapp_notifications WHERE send_status = 'expired' AND error LIKE '%not confirmed: invalid input%'") == 2


@pytest.mark.parametrize("digest", [None, "1 hour"])
def test_a_source_that_is_too_slow_to_confirm_does_not_keep_new_events_waiting(db, daemon, digest):
    wait_long(db, daemon, "n::int > 3")
    db.sql("INSERT INTO herald.templates (name, body) VALUES ('many', '{{count}}')")
    db.sql("SELECT herald.add_rule('r', 'public.r', recheck => true, time_limit => '0.2 s', digest => %s, digest_template => 'many')", digest)
    daemon.plan("r")
    db.sql("UPDATE whatsapp_notifications SET gathers = true WHERE %s::text IS NOT NULL", digest)
    function, = db.column("SELECT proname FROM pg_proc WHERE proname LIKE 'still%%' AND pronamespace = 'herald'::regnamespace AND proname <> 'still_held'")
    db.sql(f"CREATE OR REPLACE FUNCTION herald.{function}(text[]) RETURNS text[] LANGUAGE sql AS 'SELECT $1 FROM pg_sleep(10)'; INSERT INTO reading VALUES (5)")
    daemon.limit(0.2)
    done = plan_events(db, daemon)
    assert (done["result"], done["more"], done["new"]) == ("done", True, 0)
    assert db.column("SELECT DISTINCT error FROM whatsapp_notifications") == ["not confirmed: it took longer than time_limit, 00:00:00.2, to confirm or gather it"]
    assert daemon.plan("r", "events")["new"] == 1
