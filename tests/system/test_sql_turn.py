"""herald.turn() and what stands around it: claims, limits, holds, outcomes, leases, joins, and what people do meanwhile."""

import time

import psycopg2
import pytest

from conftest import wait_until
from player import Daemon, accepted, add_rule, add_senders, due_now, in_doubt, login, probe_now, rejected, row, send, wait


@pytest.fixture
def daemon(db):
    """A daemon, with one sender that takes everything."""
    add_senders(db, "wa")
    player = Daemon(db)
    yield player
    player.close()


def status(db, ident):
    """The send_status of a row."""
    return db.value("SELECT send_status FROM whatsapp_notifications WHERE id = %s", ident)


def holds(db):
    """All holds, as (kind, name, cause)."""
    return db.sql("SELECT kind, name, cause FROM herald.holds ORDER BY 1, 2, 3")


# --- claims ---


def test_claim_has_what_a_request_needs(db, daemon):
    db.sql("UPDATE herald.senders SET account = '{\"session\": \"s\"}', credential = 'token'")
    ident = send(db, 1, "hello")
    turn = daemon.turn()
    [claim] = turn.claims
    assert (claim.id, claim.sender, claim.target, claim.target_kind, claim.body, claim.detail) == (
        ident, "wa", "+8801700000001", "individual", "hello", None)
    sender = turn.senders["wa"]
    assert (sender.target, sender.target_kind, sender.body, sender.detail) == (
        "http://127.0.0.1:9", "webhook", "token", '{"session": "s"}')
    assert turn.look.body == "30000" and turn.look.target_kind == db.value("SELECT max(version)::text FROM herald.migrations")
    n = row(db, ident)
    assert (n["send_status"], n["attempts"], n["owner"], n["attempt_id"]) == ("sending", 1, daemon.incarnation, claim.attempt_id)
    assert 40 < db.value("SELECT extract(epoch FROM next_at - clock_timestamp()) FROM whatsapp_notifications") < 45
    assert daemon.turn().claims == []
    daemon.turn(accepted(claim, "wamid.7", 201, '{"ok": true}'))
    n = row(db, ident)
    assert (n["send_status"], n["message_id"], n["response_code"], n["response_body"], n["next_at"], n["owner"], n["error"]) == (
        "sent", "wamid.7", 201, '{"ok": true}', None, None, None)
    assert n["sent_at"] is not None
    assert db.value("SELECT count(*) FROM herald.attempts") == 0


def test_claims_go_by_priority_and_then_by_time(db, daemon):
    late = send(db, 1)
    urgent = send(db, 2, priority=5)
    lazy = send(db, 3, priority=-1)
    early = send(db, 4)
    db.sql("UPDATE whatsapp_notifications SET next_at = next_at - interval '1 hour' WHERE id = %s", early)
    assert [daemon.turn(room=1).ids for _ in range(5)] == [[urgent], [early], [late], [lazy], []]


def test_nothing_before_its_time(db, daemon):
    ident = send(db, 1, not_before=db.value("SELECT clock_timestamp() + interval '0.3 s'"))
    turn = daemon.turn()
    assert turn.claims == [] and 0 < turn.due_sec <= 0.3
    claims = wait_until(lambda: daemon.turn().claims, "the claim when it is due")
    assert claims[0].id == ident
    assert db.value("SELECT clock_timestamp() >= created_at + interval '0.25 s' FROM whatsapp_notifications")


def test_one_in_flight_to_a_recipient_in_order_of_ids(db, daemon):
    first, second, third = (send(db, 1, body) for body in "abc")
    other = send(db, 2)
    turn = daemon.turn()
    assert sorted(turn.ids) == [first, other]
    assert daemon.turn().ids == []
    own = [c for c in turn.claims if c.id == first][0]
    then = daemon.turn(accepted(own))
    assert then.ids == [second]
    fourth = send(db, 1, "d")
    assert daemon.turn().ids == []
    then = daemon.turn(accepted(then.claims[0]))
    assert then.ids == [third]
    then = daemon.turn(accepted(then.claims[0]))
    assert then.ids == [fourth]


def test_a_message_that_waits_to_be_retried_is_overtaken(db, daemon):
    first, second = send(db, 1), send(db, 1)
    [claim] = daemon.turn().claims
    turn = daemon.turn(wait(claim, "message"))
    assert turn.ids == [second]
    due_now(db, first)
    assert daemon.turn().ids == []
    assert daemon.turn(accepted(turn.claims[0])).ids == [first]


def test_a_backlog_of_one_recipient_blocks_nobody(db, daemon):
    for _ in range(50):
        send(db, 1)
    other = send(db, 2)
    claimed = []
    for _ in range(8):
        claimed += daemon.turn(room=10).ids
    assert other in claimed and len(claimed) == 2


def test_what_waits_behind_one_that_expired_goes_on(db, daemon):
    first, second = send(db, 1), send(db, 1)
    db.sql("UPDATE whatsapp_notifications SET expires_at = clock_timestamp() - interval '1 s' WHERE id = %s", first)
    assert second in daemon.turn().ids + daemon.turn().ids
    assert status(db, first) == "expired" and "waited longer" in row(db, first)["error"]


def test_what_waits_behind_a_deleted_one_is_freed_by_the_backstop(db, daemon):
    first, second = send(db, 1), send(db, 1)
    [claim] = daemon.turn().claims
    assert claim.id == first
    db.sql("DELETE FROM whatsapp_notifications WHERE id = %s", first)
    daemon.turn(accepted(claim))
    daemon.backstop()
    assert daemon.turn().ids == [second]


def test_max_in_flight_over_two_nodes(db, daemon):
    db.sql("UPDATE herald.senders SET max_in_flight = 3")
    for i in range(10):
        send(db, i)
    other = Daemon(db, "node-2")
    first, second = daemon.turn(room=2), other.turn(room=5)
    assert (len(first.claims), len(second.claims)) == (2, 1)
    assert daemon.turn().claims == []
    assert len(other.turn(accepted(second.claims[0])).claims) == 1
    other.close()


def test_two_nodes_never_claim_the_same(db, daemon):
    for i in range(200):
        send(db, i)
    other = Daemon(db, "node-2")
    claimed = []
    while True:
        ids = daemon.turn(room=7).ids + other.turn(room=7).ids
        if not ids:
            break
        claimed += ids
    other.close()
    assert len(claimed) == len(set(claimed)) == 200


def test_a_limit_holds_in_every_rolling_window(db, daemon):
    db.sql("UPDATE herald.senders SET limits = '{3/1 s}'")
    for i in range(7):
        send(db, i)
    times, said = [], []

    def claim():
        turn = daemon.turn()
        at = db.value("SELECT extract(epoch FROM clock_timestamp())::float")
        times.extend([at] * len(turn.claims))
        said.append(turn.due_sec)
        return len(times) == 7

    wait_until(claim, "all claims")
    assert all(due is not None and due <= 2 for due in said[:-1]), "it says when there is room again"
    assert said.count(0) <= 4
    for i in range(len(times) - 3):
        assert times[i + 3] - times[i] >= 1.0


def test_two_limits_hold_together_and_are_counted_over_all_nodes(db, daemon):
    db.sql("UPDATE herald.senders SET limits = '{100/1 s,5/1 hour}'")
    for i in range(10):
        send(db, i)
    other = Daemon(db, "node-2")
    claims = daemon.turn(room=3).claims + other.turn(room=9).claims
    assert len(claims) == 5
    turn = daemon.turn(*(accepted(c) for c in claims))
    assert turn.claims == [] and 3500 < turn.due_sec <= 3720
    other.close()


def test_a_limit_that_cannot_be_understood_is_refused(db):
    for text in ("80", "x/1 s", "0/1 s", "5/0.5 s", "5/2 months", "5/nonsense", "5000000000/1 s"):
        with pytest.raises(psycopg2.Error, match="is not of the form n/span") as failed:
            add_senders(db, "odd", limits=[text])
        assert "80/1 s" in failed.value.diag.message_hint


def test_gap_between_two_messages(db, daemon):
    db.sql("UPDATE herald.senders SET gap = '0.3 s'")
    first, second = send(db, 1), send(db, 2)
    turn = daemon.turn()
    assert turn.ids == [first]
    start = time.monotonic()
    turn = daemon.turn(accepted(turn.claims[0]))
    assert turn.claims == [] and 0 < turn.due_sec <= 0.45
    wait_until(lambda: daemon.turn().ids == [second], "the second message")
    assert time.monotonic() - start > 0.25


def test_gaps_have_jitter(db):
    add_senders(db, "wa", gap="10 s")
    gaps = set()
    for _ in range(20):
        db.sql("SELECT herald.count_claimed('{wa}')")
        gaps.add(round(db.value("SELECT extract(epoch FROM next_at - clock_timestamp()) FROM herald.sender_state"), 1))
    assert len(gaps) > 3 and 9.5 <= min(gaps) and max(gaps) <= 15


def test_senders_of_a_channel_share_and_stand_in(db):
    add_senders(db, "a", "b", max_in_flight=2)
    add_senders(db, "text", channel="sms")
    daemon = Daemon(db)
    for i in range(6):
        send(db, i)
    turn = daemon.turn()
    assert sorted(c.sender for c in turn.claims) == ["a", "a", "b", "b"]
    a, b = ([c for c in turn.claims if c.sender == name] for name in "ab")
    turn = daemon.turn(*(wait(c, "sender", 60, "not ready") for c in a))
    assert turn.events == [("held", "a", "not ready")] and turn.claims == []
    again = daemon.turn(accepted(b[0]), accepted(b[1]))
    assert {c.sender for c in again.claims} == {"b"} and len(again.claims) == 2
    daemon.close()


def test_a_better_sender_goes_first(db):
    add_senders(db, "spare", priority=-1, max_in_flight=2)
    add_senders(db, "main", max_in_flight=2)
    daemon = Daemon(db)
    send(db, 1)
    assert [c.sender for c in daemon.turn().claims] == ["main"]
    daemon.close()


def test_a_group_goes_by_its_own_sender_only(db):
    add_senders(db, "a", "b")
    db.sql("INSERT INTO herald.recipients (name, kind, address, sender) VALUES ('NOCS', 'group', '120363012345678901@g.us', 'b')")
    daemon = Daemon(db)
    ident = send(db, "NOCS")
    [claim] = daemon.turn().claims
    assert (claim.sender, claim.target, claim.target_kind) == ("b", "120363012345678901@g.us", "group")
    daemon.turn(wait(claim, "sender", 60))
    assert daemon.turn().claims == []
    assert status(db, ident) == "pending"
    daemon.close()


def test_a_sender_that_is_full_delays_nobody_elses_messages(db):
    add_senders(db, "full", "open")
    daemon = Daemon(db)
    db.sql("UPDATE herald.senders SET max_in_flight = 1 WHERE name = 'full'")
    for i in range(30):
        send(db, i, sender="full", priority=9)
    waiting = send(db, 99, sender="open")
    turn = daemon.turn(room=5)
    assert sorted(c.sender for c in turn.claims) == ["full", "open"] and waiting in turn.ids
    daemon.close()


def test_a_held_sender_delays_nobody_elses_messages_and_keeps_nobody_busy(db):
    add_senders(db, "held", "open")
    daemon = Daemon(db)
    for i in range(30):
        send(db, i, sender="held", priority=9)
    db.sql("SELECT herald.pause('sender', 'held')")
    waiting = send(db, 99, sender="open")
    turn = daemon.turn(room=5)
    assert turn.ids == [waiting]
    turn = daemon.turn(accepted(turn.claims[0]), room=5)
    assert turn.claims == [] and turn.due_sec != 0, "it must not look again and again"
    daemon.close()


def test_a_sender_that_is_not_enabled_sends_nothing(db, daemon):
    db.sql("UPDATE herald.senders SET enabled = false")
    ident = send(db, 1)
    turn = daemon.turn()
    assert turn.claims == [] and turn.due_sec is None
    assert any("no sender of channel" in what for _, what in db.sql("SELECT * FROM herald.explain(%s)", ident))
    db.sql("UPDATE herald.senders SET enabled = true")
    assert daemon.turn().ids == [ident]


# --- holds ---


@pytest.mark.parametrize("kind, name", [("all", ""), ("rule", "notes"), ("sender", "wa"), ("channel", "whatsapp"),
                                        ("recipient", "+8801700000001"), ("recipient", "Rahim"), ("template", "note")])
def test_holds_of_every_kind(db, daemon, kind, name):
    db.sql("INSERT INTO herald.templates (name, body) VALUES ('note', 'for {{who}}');"
           "INSERT INTO herald.recipients (name, address) VALUES ('Rahim', '+8801700000001')")
    add_rule(db, "notes", "SELECT 'k'::text AS dedup_key, 'Rahim'::text AS recipient, '{\"who\": \"R\"}'::jsonb AS data", "note")
    assert daemon.plan("notes")["new"] == 1
    ident = db.value("SELECT id FROM whatsapp_notifications")
    db.sql("SELECT herald.pause(%s, %s, 'holiday')", kind, name)
    turn = daemon.turn()
    assert turn.claims == [] and daemon.turn().due_sec != 0
    assert status(db, ident) == "pending"
    assert any("holiday" in what for _, what in db.sql("SELECT * FROM herald.explain(%s)", ident))
    db.sql("SELECT herald.resume(%s, %s)", kind, name)
    assert daemon.turn().ids == [ident]


def test_a_hold_ends_by_the_clock(db, daemon):
    ident = send(db, 1)
    db.sql("INSERT INTO herald.holds (kind, cause, until, reason) VALUES ('all', 'paused', clock_timestamp() + interval '0.3 s', 'x')")
    turn = daemon.turn()
    assert turn.claims == [] and 0 < turn.due_sec <= 0.3
    wait_until(lambda: daemon.turn().ids == [ident], "the end of the hold")


def test_pause_does_not_call_back_what_is_in_flight(db, daemon):
    ident = send(db, 1)
    [claim] = daemon.turn().claims
    db.sql("SELECT herald.pause('all')")
    daemon.turn(accepted(claim))
    assert status(db, ident) == "sent"


def test_pausing_what_does_not_exist(db):
    for kind, name, said in [("rule", "x", 'there is no rule "x"'), ("planet", "x", 'there is no kind "planet"'),
                             ("sender", "", "there is no sender"), ("all", "x", "takes no name")]:
        for function in ("pause", "resume"):
            with pytest.raises(psycopg2.Error, match=said) as failed:
                db.sql(f"SELECT herald.{function}(%s, %s)", kind, name)
            assert failed.value.diag.message_hint


# --- outcomes ---


def test_rejected_fails_at_once(db, daemon):
    ident = send(db, 1)
    daemon.turn(rejected(daemon.turn().claims[0], "not on WhatsApp", 400))
    n = row(db, ident)
    assert (n["send_status"], n["error"], n["response_code"], n["attempts"], n["next_at"]) == ("failed", "not on WhatsApp", 400, 1, None)
    assert db.sql("SELECT outcome, error FROM herald.attempts") == [("rejected", "not on WhatsApp")]
    assert holds(db) == []


def test_wait_of_a_message_spends_attempts_and_backs_off(db, daemon):
    db.sql("UPDATE herald.settings SET value = '1000' WHERE name = 'failures_in_a_row'")
    ident = send(db, 1)
    for attempt, longest in ((1, 15), (2, 30)):
        daemon.turn(wait(daemon.turn().claims[0], "message", error="overloaded"))
        n = row(db, ident)
        assert (n["send_status"], n["attempts"], n["error"]) == ("pending", attempt, "overloaded")
        pause = db.value("SELECT extract(epoch FROM next_at - clock_timestamp()) FROM whatsapp_notifications")
        assert 0.5 < pause <= longest
        due_now(db, ident)
    daemon.turn(wait(daemon.turn().claims[0], "message", error="overloaded"))
    n = row(db, ident)
    assert (n["send_status"], n["attempts"], n["next_at"]) == ("failed", 3, None)
    assert n["error"] == "given up after 3 attempts: overloaded"
    assert db.value("SELECT count(*) FROM herald.attempts WHERE outcome = 'wait' AND scope = 'message'") == 3


def test_back_off_is_full_jitter_between_its_bounds(db):
    for failures, longest in ((1, 15), (3, 60), (20, 900), (1000000, 900)):
        drawn = db.column("SELECT extract(epoch FROM herald.backoff(%s))::float FROM generate_series(1, 300)", failures)
        assert 1 <= min(drawn) < 1 + longest / 10 and longest * 0.9 < max(drawn) <= longest


def test_retry_after_of_a_message_is_honoured(db, daemon):
    ident = send(db, 1)
    daemon.turn(wait(daemon.turn().claims[0], "message", 3600))
    assert 3590 < db.value("SELECT extract(epoch FROM next_at - clock_timestamp()) FROM whatsapp_notifications WHERE id = %s", ident) < 3601


def test_wait_of_a_sender_costs_no_attempt_and_holds_it(db, daemon):
    ident, other = send(db, 1), send(db, 2)
    turn = daemon.turn(room=1)
    turn = daemon.turn(wait(turn.claims[0], "sender", 120, "the token has expired", 401))
    assert turn.events == [("held", "wa", "the token has expired")] and turn.claims == []
    n = row(db, ident)
    assert (n["send_status"], n["attempts"], n["error"]) == ("pending", 0, "the token has expired")
    hold = db.row("SELECT *, extract(epoch FROM until - clock_timestamp()) AS pause FROM herald.holds")
    assert (hold["kind"], hold["name"], hold["cause"], hold["who"]) == ("sender", "wa", "blocked", "pgherald")
    assert 115 < hold["pause"] <= 120
    assert status(db, other) == "pending"
    turn = daemon.turn()
    assert turn.claims == [] and 110 < turn.due_sec <= 120


def test_a_held_sender_is_probed_by_exactly_one_and_opened(db, daemon):
    idents = [send(db, i) for i in range(40)]
    turn = daemon.turn(room=2)
    assert daemon.turn(*(wait(c, "sender") for c in turn.claims)).events == [("held", "wa", "busy")]
    pauses = []
    other = Daemon(db, "node-2")
    for _ in range(5):
        pauses.append(float(db.value("SELECT extract(epoch FROM until - since) FROM herald.holds")))
        probe_now(db, "wa")
        db.sql("UPDATE herald.holds SET since = clock_timestamp()")
        probe = daemon.turn()
        assert len(probe.claims) == 1
        assert other.turn().claims == [] and daemon.turn().claims == []
        turn = daemon.turn(wait(probe.claims[0], "sender"))
        assert turn.events == [] and turn.claims == [], "it is told once"
    assert all(later > earlier * 1.2 for earlier, later in zip(pauses, pauses[1:])), pauses
    probe_now(db, "wa")
    [probe] = daemon.turn().claims
    turn = daemon.turn(accepted(probe))
    assert [(what, sender) for what, sender, _ in turn.events] == [("opened", "wa")]
    assert holds(db) == []
    # One more with each that is taken, over all nodes; and in the end as many as ever.
    assert len(turn.claims) == 2 and other.turn().claims == []
    assert "may have one more with each" in str(db.sql("SELECT what FROM herald.explain(%s)", idents[-1]))
    turn = daemon.turn(accepted(turn.claims[0]), accepted(turn.claims[1]))
    assert len(turn.claims) == 4
    turn = daemon.turn(rejected(turn.claims[0]), wait(turn.claims[1], "message"), *(accepted(c) for c in turn.claims[2:]))
    assert len(turn.claims) == 7
    db.sql("UPDATE herald.senders SET max_in_flight = 14")
    assert len(daemon.turn(*(accepted(c) for c in turn.claims)).claims) == 14
    assert db.value("SELECT trusted FROM herald.sender_state") is None
    other.close()


def test_a_probe_that_ends_in_doubt_prolongs_the_pause(db, daemon):
    """A gateway that hangs must not be fed one message after the other."""
    for i in range(3):
        send(db, i)
    daemon.turn(wait(daemon.turn(room=1).claims[0], "sender"), room=0)
    probe_now(db, "wa")
    turn = daemon.turn(in_doubt(daemon.turn().claims[0], "timed out"))
    assert turn.claims == [] and turn.events == []
    assert db.sql("SELECT reason, failures, until > clock_timestamp() + interval '3 s' FROM herald.holds") == [("timed out", 2, True)]


def test_a_refusal_opens_a_sender_too(db, daemon):
    send(db, 1)
    daemon.turn(wait(daemon.turn().claims[0], "sender"))
    probe_now(db, "wa")
    turn = daemon.turn(rejected(daemon.turn().claims[0]))
    assert [(what, sender) for what, sender, _ in turn.events] == [("opened", "wa")]


def test_a_growing_pause_has_a_cap(db, daemon):
    db.sql("INSERT INTO herald.holds (kind, name, cause, until, reason, failures)"
           " VALUES ('sender', 'wa', 'blocked', clock_timestamp() - interval '1 s', 'x', 500)")
    send(db, 1)
    daemon.turn(wait(daemon.turn().claims[0], "sender"))
    assert 200 < db.value("SELECT extract(epoch FROM until - clock_timestamp()) FROM herald.holds") <= 300


def test_failures_in_a_row_hold_the_sender(db, daemon):
    for i in range(9):
        send(db, i)
    for _ in range(4):
        assert daemon.turn(wait(daemon.turn(room=1).claims[0], "message"), room=0).events == []
    turn = daemon.turn(wait(daemon.turn(room=1).claims[0], "message", error="broken"), room=0)
    assert turn.events == [("held", "wa", "5 failures in a row, the last: broken")]
    assert daemon.turn().claims == []


def test_an_acceptance_between_starts_the_count_anew(db, daemon):
    for i in range(9):
        send(db, i)
    for _ in range(4):
        daemon.turn(wait(daemon.turn(room=1).claims[0], "message"), room=0)
    daemon.turn(accepted(daemon.turn(room=1).claims[0]), room=0)
    for _ in range(4):
        daemon.turn(wait(daemon.turn(room=1).claims[0], "message"), room=0)
    assert holds(db) == []


def test_pair_limit_holds_the_recipient_only(db, daemon):
    first, second = send(db, 1), send(db, 1)
    other = send(db, 2)
    turn = daemon.turn()
    claim = next(c for c in turn.claims if c.id == first)
    turn = daemon.turn(wait(claim, "recipient", 60, "pair rate limit"))
    assert turn.claims == [] and turn.events == []
    assert holds(db) == [("recipient", "+8801700000001", "pair limit")]
    assert row(db, first)["attempts"] == 0
    daemon.turn()
    assert status(db, second) == "pending"
    db.sql("DELETE FROM herald.holds")
    due_now(db, second)
    assert daemon.turn().ids == [second]
    assert status(db, other) == "sending"


def test_the_pair_limit_grows_while_the_gateway_repeats_it(db, daemon):
    send(db, 1)
    for pause_sec in (4, 16, 64, 64):
        daemon.turn(wait(daemon.turn(room=1).claims[0], "recipient", -1, "pair rate limit"), room=0)
        left = db.value("SELECT extract(epoch FROM until - clock_timestamp())::float FROM herald.holds WHERE kind = 'recipient'")
        assert pause_sec - 2 < left <= pause_sec
        db.sql("UPDATE herald.holds SET until = clock_timestamp() - interval '1 s'")
        db.sql("UPDATE public.whatsapp_notifications SET next_at = clock_timestamp()")
    db.sql("UPDATE herald.holds SET until = clock_timestamp() - interval '6 min'")
    daemon.turn(wait(daemon.turn(room=1).claims[0], "recipient", -1, "pair rate limit"), room=0)
    assert db.value("SELECT failures FROM herald.holds WHERE kind = 'recipient'") == 1


@pytest.mark.parametrize("gateway, safe", [("cloud", ([], "00:00:00", None)), ("wppconnect", (["1000/1 day"], "00:00:03", 1)),
                                           ("evolution", (["1000/1 day"], "00:00:03", 1)), ("webjs", (["1000/1 day"], "00:00:03", 1)), ("waha", (["1000/1 day"], "00:00:03", 1))])
def test_a_sender_gets_what_is_safe_for_its_gateway_unless_it_says_otherwise(db, gateway, safe):
    add_senders(db, "silent", gateway=gateway)
    add_senders(db, "bold", gateway=gateway, limits="{80/1 s}", gap="1 ms", max_in_flight=80)
    assert db.sql("SELECT limits, gap::text, max_in_flight FROM herald.senders WHERE name IN ('silent', 'bold') ORDER BY name") == [
        (["80/1 s"], "00:00:00.001", 80), safe]
    db.sql("UPDATE herald.senders SET gateway = 'wppconnect' WHERE name IN ('silent', 'bold')")
    assert db.sql("SELECT limits, max_in_flight FROM herald.senders WHERE name IN ('silent', 'bold') ORDER BY name") == [
        (["80/1 s"], 80), (["1000/1 day"], 1)]


def test_a_paused_template_holds_its_messages_only(db, daemon):
    db.sql("INSERT INTO herald.templates (name, body) VALUES ('t', 'x'), ('u', 'y')")
    ids = db.column("SELECT herald.send('+880170000000' || n, template => 't') FROM generate_series(1, 2) n")
    other = db.value("SELECT herald.send('+8801700000003', template => 'u')")
    turn = daemon.turn(room=1)
    daemon.turn(wait(turn.claims[0], "template", 60, "template paused"), room=0)
    assert holds(db) == [("template", "t", "template")]
    assert daemon.turn().ids == [other]
    assert [status(db, i) for i in ids] == ["pending", "pending"] and row(db, ids[0])["attempts"] == 0


def test_duplicates_of_an_outcome_change_nothing(db, daemon):
    a, b, c, d = (send(db, i) for i in range(4))
    claims = {claim.id: claim for claim in daemon.turn().claims}
    outcomes = [accepted(claims[a]), rejected(claims[b]), wait(claims[c], "message", 3600), in_doubt(claims[d])]
    daemon.turn(*outcomes)
    before = db.sql("SELECT * FROM whatsapp_notifications ORDER BY id")
    for _ in range(2):
        daemon.turn(*outcomes)
    assert db.sql("SELECT * FROM whatsapp_notifications ORDER BY id") == before
    assert db.value("SELECT max(failures) FROM herald.sender_state") == 2
    assert [r[3] for r in db.sql("SELECT * FROM herald.attempts")].count("wa") == 3


def test_outcomes_in_the_same_turn_twice(db, daemon):
    ident = send(db, 1)
    [claim] = daemon.turn().claims
    daemon.turn(accepted(claim), accepted(claim))
    assert (status(db, ident), row(db, ident)["doubled_at"]) == ("sent", None)


# --- in doubt ---


def test_in_doubt_is_sent_again_after_the_grace_and_marked(db, daemon):
    ident, behind = send(db, 1), send(db, 1)
    turn = daemon.turn(in_doubt(daemon.turn().claims[0], "timed out after the request had left"))
    assert turn.ids == [behind], "a row in doubt does not occupy its recipient"
    n = row(db, ident)
    assert (n["send_status"], n["attempts"], n["error"]) == ("in_doubt", 1, "timed out after the request had left")
    assert 9 < db.value("SELECT extract(epoch FROM next_at - clock_timestamp()) FROM whatsapp_notifications WHERE id = %s", ident) <= 10
    daemon.turn(accepted(turn.claims[0]))
    due_now(db, ident)
    claims = daemon.turn().claims or daemon.turn().claims
    assert [c.id for c in claims] == [ident]
    n = row(db, ident)
    assert (n["send_status"], n["resends"]) == ("sending", 1) and n["resent_at"] is not None
    assert "in doubt" in n["error"]
    daemon.turn(accepted(claims[0]))
    n = row(db, ident)
    assert (n["send_status"], n["resends"], n["doubled_at"]) == ("sent", 1, None)
    assert any("may have arrived twice" in what for _, what in db.sql("SELECT * FROM herald.explain(%s)", ident))


def test_in_doubt_waits_for_a_person_where_the_rule_says_so(db, daemon):
    add_rule(db, "notes", "SELECT 'k'::text AS dedup_key, '+8801700000001'::text AS recipient, '{}'::jsonb AS data, 'b'::text AS body",
             in_doubt="hold", in_doubt_grace="0")
    daemon.plan("notes")
    ident = db.value("SELECT id FROM whatsapp_notifications")
    daemon.turn(in_doubt(daemon.turn().claims[0]))
    due_now(db, ident)
    for _ in range(3):
        assert daemon.turn().claims == []
    n = row(db, ident)
    assert (n["send_status"], n["next_at"], n["resends"]) == ("in_doubt", None, 0)
    assert db.value("SELECT attention FROM herald.status WHERE item = 'messages in_doubt'").startswith("1 wait for a person")
    db.sql("SELECT herald.retry(%s)", ident)
    assert daemon.turn().ids == [ident]


@pytest.mark.parametrize("limit", [None, 0, 2])
def test_resends_have_a_limit(db, daemon, limit):
    """By default one; that of a rule may be another."""
    if limit is None:
        ident = send(db, 1)
    else:
        add_rule(db, "patient", "SELECT 'k'::text AS dedup_key, '+8801711111111'::text AS recipient, '{}'::jsonb AS data, 'b'::text AS body", resend_limit=limit)
        daemon.plan("patient")
        ident = db.value("SELECT id FROM whatsapp_notifications")
    limit = 1 if limit is None else limit
    attempts = 0
    for _ in range(10):
        claims = daemon.turn().claims or daemon.turn().claims
        if not claims:
            break
        attempts += 1
        daemon.turn(in_doubt(claims[0]), room=0)
        due_now(db, ident)
    n = row(db, ident)
    assert (attempts, n["send_status"], n["next_at"], n["resends"]) == (limit + 1, "in_doubt", None, limit)
    assert n["error"].startswith(f"in doubt {limit + 1} times")


def test_accepted_after_in_doubt_settles_it(db, daemon):
    ident = send(db, 1)
    [claim] = daemon.turn().claims
    daemon.turn(in_doubt(claim))
    daemon.turn(accepted(claim, "wamid.late"))
    n = row(db, ident)
    assert (n["send_status"], n["message_id"], n["next_at"], n["doubled_at"], n["resends"]) == ("sent", "wamid.late", None, None, 0)


def test_accepted_between_the_decision_to_resend_and_its_claim(db, daemon):
    ident = send(db, 1)
    [claim] = daemon.turn().claims
    daemon.turn(in_doubt(claim))
    due_now(db, ident)
    db.sql("UPDATE herald.senders SET max_in_flight = 1")
    db.sql("SELECT herald.claim_others(clock_timestamp(), ARRAY[%s::bigint], '{decide}')", ident)
    assert status(db, ident) == "pending"
    daemon.turn(accepted(claim), room=0)
    n = row(db, ident)
    assert (n["send_status"], n["doubled_at"], n["resends"], n["resent_at"]) == ("sent", None, 0, None), "it went out once"
    assert daemon.turn().claims == []


def test_accepted_after_a_resend_says_that_it_was_doubled(db, daemon):
    ident = send(db, 1)
    [first] = daemon.turn().claims
    daemon.turn(in_doubt(first))
    due_now(db, ident)
    [second] = daemon.turn().claims or daemon.turn().claims
    assert second.attempt_id > first.attempt_id
    daemon.turn(accepted(first))
    n = row(db, ident)
    assert (n["send_status"], n["owner"]) == ("sending", daemon.incarnation) and n["doubled_at"] is not None
    daemon.turn(accepted(second))
    n = row(db, ident)
    assert n["send_status"] == "sent" and n["doubled_at"] is not None
    assert any("arrived twice" in what for _, what in db.sql("SELECT * FROM herald.explain(%s)", ident))


def test_both_accepted_after_the_row_was_sent(db, daemon):
    ident = send(db, 1)
    [first] = daemon.turn().claims
    daemon.turn(in_doubt(first))
    due_now(db, ident)
    [second] = daemon.turn().claims or daemon.turn().claims
    daemon.turn(accepted(second, "wamid.2"))
    daemon.turn(accepted(first, "wamid.1"))
    n = row(db, ident)
    assert (n["send_status"], n["message_id"]) == ("sent", "wamid.2") and n["doubled_at"] is not None
    assert "sent twice" in n["error"]


def test_certainly_not_taken_after_in_doubt(db, daemon):
    ident, other = send(db, 1), send(db, 2)
    claims = daemon.turn().claims
    daemon.turn(*(in_doubt(c) for c in claims))
    by_id = {c.id: c for c in claims}
    daemon.turn(wait(by_id[ident], "message"), rejected(by_id[other], "no such user"))
    assert status(db, ident) == "pending" and row(db, ident)["resends"] == 0
    assert (status(db, other), row(db, other)["error"]) == ("failed", "no such user")


# --- leases ---


@pytest.fixture
def short_lease(db):
    """A lease is the request's time limit and 15 s: this one ends after 0.3 s."""
    db.sql("SET session_replication_role = replica; UPDATE herald.settings SET value = '-14.7 s' WHERE name = 'request_time_limit'; RESET session_replication_role")


def test_a_lease_that_ended_leaves_doubt(db, daemon, short_lease):
    ident, behind = send(db, 1), send(db, 1)
    [claim] = daemon.turn().claims
    other = Daemon(db, "node-2")
    turn = other.turn(room=1)
    assert turn.claims == [] and 0 < turn.due_sec <= 0.3
    turn = wait_until(lambda: (t := other.turn(room=1)).claims and t, "the end of the lease")
    assert turn.ids == [behind]
    n = row(db, ident)
    assert (n["send_status"], n["owner"]) == ("in_doubt", None) and "lease" in n["error"]
    assert db.sql("SELECT attempt_id, outcome, incarnation FROM herald.attempts") == [(claim.attempt_id, "in_doubt", daemon.incarnation)]
    daemon.turn(accepted(claim), room=0)
    assert status(db, ident) == "sent"
    other.close()


def test_no_lease_ends_within_one_lease_of_the_servers_start(db, daemon):
    ident = send(db, 1)
    db.sql("UPDATE herald.settings SET value = '10 days' WHERE name = 'request_time_limit'")
    assert daemon.turn().ids == [ident]
    due_now(db, ident)
    turn = daemon.turn()
    assert status(db, ident) == "sending" and turn.due_sec > 800000


# --- join and leave ---


def test_join_draws_a_number_and_makes_sweeps_due(db):
    add_rule(db, "notes", "SELECT NULL::text AS dedup_key, ''::text AS recipient, '{}'::jsonb AS data WHERE false", paused=True)
    daemon = Daemon(db)
    assert daemon.joined == (daemon.incarnation, db.value("SELECT max(version) FROM herald.migrations"), 0, 0)
    assert daemon.turn(room=0).tasks == [("notes", "sweep")]
    assert db.row("SELECT node, host, pid, version FROM herald.incarnations WHERE id = %s", daemon.incarnation) == {
        "node": "node-1", "host": "host-of-node-1", "pid": 4711, "version": "0"}
    daemon.close()
    assert Daemon(db, "node-2").incarnation > daemon.incarnation


def test_join_gives_back_what_an_answer_that_got_lost_had_claimed(db, daemon):
    ids = [send(db, i) for i in range(3)]
    behind = send(db, 2)
    claims = {c.id: c for c in daemon.turn().claims}
    daemon.close()
    again = Daemon(db, incarnation=daemon.incarnation, in_flight=[claims[ids[0]].attempt_id])
    assert again.joined[2:] == (2, 0) and again.incarnation == daemon.incarnation
    assert [(row(db, i)["send_status"], row(db, i)["attempts"]) for i in ids] == [("sending", 1), ("pending", 0), ("pending", 0)]
    assert db.value("SELECT count(*) FROM herald.attempts") == 0
    turn = again.turn()
    assert sorted(turn.ids) == sorted(ids[1:]), "order to one recipient is kept"
    again.turn(accepted(claims[ids[0]]))
    assert status(db, ids[0]) == "sent" and status(db, behind) == "pending"
    again.close()


def test_join_doubts_a_dead_predecessor_and_leaves_other_nodes_alone(db, daemon):
    mine = send(db, 1)
    daemon.turn()
    other = Daemon(db, "node-2")
    theirs = send(db, 2)
    assert other.turn().ids == [theirs]
    daemon.close()
    again = wait_until(lambda: Daemon(db), "the lock of the node's name")
    assert again.joined[2:] == (0, 1)
    assert (status(db, mine), status(db, theirs)) == ("in_doubt", "sending")
    assert "daemon ended" in row(db, mine)["error"]
    again.close()
    other.close()


def test_a_second_daemon_of_a_name_is_refused_and_told_of_the_first(db, daemon):
    with pytest.raises(psycopg2.Error, match='node "node-1" is running already: pid 4711 on host-of-node-1') as refused:
        Daemon(db)
    assert refused.value.pgcode == "HR002" and "node in pgherald.conf" in refused.value.diag.message_hint
    assert Daemon(db, "node-2").incarnation


def test_leave_gives_back_what_was_not_sent(db, daemon):
    sent, unsent = send(db, 1), send(db, 2)
    claims = {c.id: c for c in daemon.turn().claims}
    behind = send(db, 2)
    daemon.attend(60)
    daemon.leave(claims[unsent])
    assert (status(db, sent), status(db, unsent)) == ("sending", "pending")
    assert row(db, unsent)["attempts"] == 0
    assert db.value("SELECT asleep_until FROM herald.listeners WHERE asleep_until > clock_timestamp()") is None
    other = Daemon(db, "node-2")
    assert other.turn().ids == [unsent] and status(db, behind) == "pending"
    other.close()


# --- what people do meanwhile ---


def test_a_user_deletes_everything_in_mid_flight(db, daemon):
    for i in range(4):
        send(db, i)
    claims = daemon.turn().claims
    db.sql("DELETE FROM whatsapp_notifications")
    turn = daemon.turn(accepted(claims[0]), rejected(claims[1]), wait(claims[2], "message"), in_doubt(claims[3]))
    assert turn.claims == [] and turn.events == []
    assert db.value("SELECT count(*) FROM whatsapp_notifications") == 0


@pytest.mark.parametrize("make", [accepted, rejected, in_doubt, lambda c: wait(c, "message"), lambda c: wait(c, "sender")])
@pytest.mark.parametrize("claimed", [False, True])
def test_another_row_takes_the_id_after_a_truncate(db, daemon, make, claimed):
    send(db, 1, "old")
    [old] = daemon.turn().claims
    db.sql("TRUNCATE TABLE whatsapp_notifications RESTART IDENTITY")
    new = send(db, 2, "new")
    assert new == old.id
    claims = daemon.turn().claims if claimed else []
    before = row(db, new)
    daemon.turn(make(old), room=0)
    assert row(db, new) == before, "an outcome of the old message touches the new one"
    for claim in claims:
        daemon.turn(accepted(claim))
        assert (status(db, new), row(db, new)["doubled_at"]) == ("sent", None)


def test_a_doubted_row_is_truncated_and_its_answer_comes_late(db, daemon):
    send(db, 1, "old")
    [old] = daemon.turn().claims
    daemon.turn(in_doubt(old), room=0)
    db.sql("TRUNCATE TABLE whatsapp_notifications RESTART IDENTITY")
    new = send(db, 2, "new")
    [claim] = daemon.turn().claims
    daemon.turn(in_doubt(claim), room=0)
    before = row(db, new)
    daemon.turn(accepted(old), room=0)
    assert claim.id == new and row(db, new) == before


def test_a_row_that_somebody_locks_blocks_nobody(db, daemon):
    locked, free = send(db, 1), send(db, 2)
    with db.connect() as person, person.cursor() as cursor:
        person.autocommit = False
        cursor.execute("SELECT * FROM whatsapp_notifications WHERE id = %s FOR UPDATE", (locked,))
        assert daemon.turn().ids == [free]
        person.rollback()
    assert daemon.turn().ids == [locked]


def test_cancel(db, daemon):
    ident, other = send(db, 1), send(db, 2)
    db.sql("SELECT herald.cancel(%s)", ident)
    n = row(db, ident)
    assert (n["send_status"], n["next_at"], n["error"]) == ("cancelled", None, "cancelled by postgres")
    assert daemon.turn().ids == [other]
    for wrong, said in ((other, "is sending"), (ident, "is cancelled"), (999999, "there is no notification 999999")):
        with pytest.raises(psycopg2.Error, match=said) as failed:
            db.sql("SELECT herald.cancel(%s)", wrong)
        assert failed.value.diag.message_hint


def test_cancel_of_the_one_in_front_frees_the_next(db, daemon):
    first, second, third = (send(db, 1) for _ in range(3))
    [claim] = daemon.turn().claims
    daemon.turn(in_doubt(claim), room=0)
    db.sql("SELECT herald.cancel(%s)", second)
    daemon.backstop()
    assert daemon.turn().ids == [third]
    db.sql("SELECT herald.cancel(%s)", first)
    daemon.turn(accepted(claim), room=0)
    assert status(db, first) == "sent", "the truth is told, even of what was cancelled"


def test_retry_renders_again_from_the_kept_payload(db, daemon):
    db.sql("INSERT INTO herald.templates (name, body) VALUES ('t', 'Dear {{who}}')")
    ident = db.value("SELECT herald.send('+8801700000001', template => 't', data => '{\"who\": \"Karim\"}')")
    daemon.turn(rejected(daemon.turn().claims[0]))
    with pytest.raises(psycopg2.Error, match="there is no notification"):
        db.sql("SELECT herald.retry(999999)")
    db.sql("UPDATE herald.templates SET body = 'Hello {{who}}'")
    db.sql("SELECT herald.retry(%s)", ident)
    with pytest.raises(psycopg2.Error, match="is pending already"):
        db.sql("SELECT herald.retry(%s)", ident)
    n = row(db, ident)
    assert (n["send_status"], n["attempts"], n["error"], n["body"]) == ("pending", 0, None, "Hello Karim")
    [claim] = daemon.turn().claims
    assert claim.body == "Hello Karim"
    daemon.turn(accepted(claim))
    db.sql("UPDATE herald.templates SET body = '{{who}} {{what}}'")
    with pytest.raises(psycopg2.Error, match='needs field "what"'):
        db.sql("SELECT herald.retry(%s)", ident)
    assert status(db, ident) == "sent"
    db.sql("UPDATE herald.templates SET body = 'Once more {{who}}'")
    db.sql("SELECT herald.retry(%s)", ident)
    assert [c.body for c in daemon.turn().claims] == ["Once more Karim"]


def test_retry_goes_by_the_sender_that_the_message_asked_for(db, daemon):
    add_senders(db, "special", priority=-5)
    ident = send(db, 1, sender="special", priority=7)
    daemon.turn(rejected(daemon.turn().claims[0]))
    db.sql("SELECT herald.retry(%s)", ident)
    assert [c.sender for c in daemon.turn().claims] == ["special"]
    assert db.value("SELECT l.priority FROM herald.lanes l JOIN whatsapp_notifications n ON n.lane = l.id") == 7


def test_retry_all(db, daemon):
    failed = [send(db, i) for i in range(3)]
    daemon.turn(*(rejected(c) for c in daemon.turn().claims))
    waiting = send(db, 9)
    db.sql("UPDATE whatsapp_notifications SET recipient = 'nobody' WHERE id = %s", failed[0])
    assert db.value("SELECT herald.retry_all('failed')") == 2
    assert [status(db, i) for i in failed] == ["failed", "pending", "pending"]
    assert sorted(daemon.turn().ids) == failed[1:] + [waiting]
    assert db.value("SELECT herald.retry_all('failed', 'no such rule')") == 0
    with pytest.raises(psycopg2.Error, match="can't be retried as a whole"):
        db.sql("SELECT herald.retry_all('sent')")


def test_a_late_answer_to_what_was_retried_while_in_doubt(db, daemon):
    ident = send(db, 1)
    [first] = daemon.turn().claims
    daemon.turn(in_doubt(first), room=0)
    db.sql("SELECT herald.retry(%s)", ident)
    [second] = daemon.turn().claims
    daemon.turn(accepted(first), room=0)
    assert row(db, ident)["doubled_at"] is not None
    daemon.turn(accepted(second), room=0)
    assert status(db, ident) == "sent"


def test_send_says_what_is_wrong(db):
    for statement, said in [
        ("SELECT herald.send('nobody', 'x')", '"nobody" is no name'),
        ("SELECT herald.send('01711000000', 'x')", "number without a country code"),
        ("SELECT herald.send('', 'x')", "no recipient"),
        ("SELECT herald.send('+8801711000000', '')", "the body is empty"),
        ("SELECT herald.send('+8801711000000', template => 'x')", 'there is no template "x"'),
        ("SELECT herald.send('+8801711000000', 'x', sender => 'y')", 'there is no sender "y"'),
        ("SELECT herald.send('+8801711000000', 'x', channel => 'pigeon')", 'there is no channel "pigeon"'),
    ]:
        with pytest.raises(psycopg2.Error, match=said) as failed:
            db.sql(statement)
        assert failed.value.diag.message_hint
    assert db.value("SELECT count(*) FROM whatsapp_notifications") == 0


def test_expires(db, daemon):
    expired, kept, doubted = send(db, 1), send(db, 2), send(db, 3)
    claim = next(c for c in daemon.turn().claims if c.id == doubted)
    daemon.turn(in_doubt(claim), room=0)
    due_now(db, doubted)
    db.sql("UPDATE whatsapp_notifications SET expires_at = clock_timestamp() - interval '1 s' WHERE id = %s", doubted)
    daemon.turn()
    assert [status(db, i) for i in (expired, kept, doubted)] == ["sending", "sending", "expired"]
    assert db.value("SELECT bool_and(expires_at BETWEEN created_at + interval '23 h' AND created_at + interval '25 h')"
                    " FROM whatsapp_notifications WHERE id <> %s", doubted)


def test_a_turn_commits_synchronously(db, daemon):
    send(db, 1)
    with db.connect(login(db.cluster, "herald_daemon")) as connection, connection.cursor() as cursor:
        connection.autocommit = False
        cursor.execute("SET synchronous_commit = off")
        cursor.execute("SELECT count(*) FROM herald.turn(%s, 1, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')", (daemon.incarnation,))
        cursor.execute("SHOW synchronous_commit")
        assert cursor.fetchone() == ("on",)
        connection.rollback()
