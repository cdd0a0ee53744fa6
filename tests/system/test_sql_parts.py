"""Parts: media that belong to a message go after it, one by one and in order, by the same sender; and not at all without it."""

import json

import pytest

from player import Daemon, accepted, add_rule, add_senders, in_doubt, rejected, row, wait

IMAGES = [{"type": "image", "url": "https://example.org/1.jpg", "caption": "one"}, {"type": "image", "url": "https://example.org/2.jpg"}]


@pytest.fixture
def daemon(db):
    add_senders(db, "wa", "wb")
    player = Daemon(db)
    yield player
    player.close()


def album(db, media=IMAGES):
    """A message with media; its id and those of its parts."""
    ident = db.value("SELECT herald.send('+8801700000001', 'look', media => %s)", json.dumps(media))
    return [ident, *parts(db, ident)]


def parts(db, ident):
    return db.column("SELECT id FROM whatsapp_notifications WHERE part_of = %s ORDER BY id", ident)


def accept_next(db, daemon):
    """The one message that is due is taken; its claim."""
    claim, = daemon.turn().claims
    turn = daemon.turn(accepted(claim, message_id=f"m{claim.id}"))
    assert turn.claims == []  # not at once
    return claim


def a_gap_passes(db):
    db.sql("UPDATE public.whatsapp_notifications SET next_at = next_at - interval '3 s' WHERE part_of IS NOT NULL AND next_at IS NOT NULL")


def test_each_part_is_due_after_the_one_before_and_by_the_same_sender(db, daemon):
    ident, first, second = album(db)
    sender = accept_next(db, daemon).sender
    assert 1 < daemon.turn().due_sec <= 2
    a_gap_passes(db)
    claim = accept_next(db, daemon)
    assert (claim.id, claim.sender, claim.body, json.loads(claim.detail)) == (first, sender, "one", {"media": IMAGES[0]})
    a_gap_passes(db)
    claim = accept_next(db, daemon)
    assert (claim.id, claim.sender, claim.body, json.loads(claim.detail)) == (second, sender, "", {"media": IMAGES[1]})
    assert {row(db, i)["send_status"] for i in (ident, first, second)} == {"sent"}
    assert daemon.turn().claims == []


def test_a_rule_may_have_media(db, daemon):
    add_rule(db, "campaign", f"""SELECT 'k' AS dedup_key, '+8801700000001' AS recipient, '{{}}'::jsonb AS data, 'day 1' AS body,
                                        '{json.dumps(IMAGES)}'::jsonb AS media UNION ALL
                                 SELECT 'l', '+8801700000002', '{{}}', 'no media', NULL UNION ALL
                                 SELECT 'n', '+8801700000003', '{{}}', 'null', 'null'""")
    for _ in range(2):
        daemon.plan("campaign")
    assert db.column("SELECT dedup_key FROM whatsapp_notifications ORDER BY dedup_key") == ["k", "l", "n", None, None]
    assert len(daemon.turn().claims) == 3


@pytest.mark.parametrize("end", ["rejected", "rejected late", "cancelled"])
def test_without_the_message_there_are_no_parts(db, daemon, end):
    ident, *rest = album(db)
    if end.startswith("rejected"):
        claim, = daemon.turn().claims
        if end == "rejected late":
            daemon.turn(in_doubt(claim), room=0)
        daemon.turn(rejected(claim), room=0)
    else:
        db.sql("SELECT herald.cancel(%s)", ident)
    assert [row(db, i)["send_status"] for i in rest] == ["cancelled", "cancelled"]
    db.sql("SELECT herald.retry(%s)", ident)
    accept_next(db, daemon)
    a_gap_passes(db)
    assert [c.id for c in daemon.turn().claims] == rest[:1]


def test_what_waits_for_a_message_that_never_goes_expires_with_it(db, daemon):
    _, first, _ = album(db)
    db.sql("SELECT herald.pause('channel', 'whatsapp', 'x')")
    assert any("what comes before it" in what for _, what in db.sql("SELECT at, what FROM herald.explain(%s)", first))
    db.sql("UPDATE public.whatsapp_notifications SET expires_at = clock_timestamp(), next_at = least(next_at, clock_timestamp())")
    db.sql("SELECT herald.resume('channel', 'whatsapp')")
    daemon.turn()
    assert db.column("SELECT DISTINCT send_status FROM whatsapp_notifications") == ["expired"]


@pytest.mark.parametrize("item, problem", [
    ("x", 'no object with a "type"'), ({"type": "hologram", "url": "https://x/1"}, 'no object with a "type"'),
    ({"type": "image"}, 'no "url"'), ({"type": "image", "url": "file:///etc/passwd"}, 'no "url"'), ({"type": "image", "url": "https://a b"}, 'no "url"')])
def test_an_item_that_cannot_be_sent_fails_and_the_others_go_on(db, daemon, item, problem):
    _, first, bad, last = album(db, [IMAGES[0], item, IMAGES[1]])
    assert problem in row(db, bad)["error"] and row(db, bad)["send_status"] == "failed"
    accept_next(db, daemon)
    for expected in (first, last):
        a_gap_passes(db)
        assert accept_next(db, daemon).id == expected


@pytest.mark.parametrize("end", ["rejected", "given up"])
def test_one_that_the_gateway_refuses_does_not_keep_the_others_back(db, daemon, end):
    _, first, second = album(db)
    accept_next(db, daemon)
    a_gap_passes(db)
    claim, = daemon.turn().claims
    db.sql("UPDATE public.whatsapp_notifications SET attempts = 3 WHERE id = %s", first)
    daemon.turn(rejected(claim) if end == "rejected" else wait(claim, "message"), room=0)
    assert [row(db, i)["send_status"] for i in (first, second)] == ["failed", "pending"]
    a_gap_passes(db)
    assert accept_next(db, daemon).id == second


def test_one_that_fails_is_told_by_no_fallback(db, daemon):
    db.sql("INSERT INTO herald.senders (name, channel, gateway) VALUES ('sms', 'sms', 'webhook'); UPDATE herald.channels SET fallback = 'sms' WHERE name = 'whatsapp'")
    album(db)
    accept_next(db, daemon)
    a_gap_passes(db)
    daemon.turn(rejected(daemon.turn().claims[0]), room=0)
    assert db.value("SELECT count(*) FROM herald.fallback_due") == 0


def test_a_part_of_a_message_that_had_not_failed_after_all_goes_when_a_receipt_says_so(db, daemon):
    ident, first, _ = album(db)
    db.sql("UPDATE herald.senders SET gateway = 'wppconnect', account = '{\"session\": \"x\"}', gap = '1 ms', max_in_flight = 9")
    daemon.turn(accepted(daemon.turn().claims[0], message_id="m1"), room=0)
    db.sql("UPDATE public.whatsapp_notifications SET send_status = 'failed' WHERE id = %s", ident)
    db.sql("UPDATE public.whatsapp_notifications SET next_at = expires_at WHERE id = %s", first)
    db.sql("SELECT herald.receive('{wppconnect}', '{x}', '{m1}', '{NULL}', '{NULL}', '{delivered}', '{NULL}', '{NULL}')")
    a_gap_passes(db)
    assert [c.id for c in daemon.turn().claims] == [first]


def test_a_message_that_is_told_anew_has_parts_of_its_own(db, daemon):
    add_rule(db, "campaign", f"""SELECT 'k' AS dedup_key, '+8801700000001' AS recipient, '{{}}'::jsonb AS data, 'day 1' AS body,
                                        '{json.dumps(IMAGES[:1])}'::jsonb AS media""", recheck=True)
    daemon.plan("campaign")
    db.sql("CREATE OR REPLACE VIEW public.campaign AS SELECT 'k' AS dedup_key, '' AS recipient, '{}'::jsonb AS data, '' AS body, NULL::jsonb AS media WHERE false")
    db.sql("UPDATE public.whatsapp_notifications SET created_at = created_at - interval '2 min' WHERE part_of IS NULL")
    daemon.turn()
    daemon.work()
    assert db.column("SELECT send_status FROM whatsapp_notifications") == ["cancelled", "cancelled"]
    db.sql(f"""CREATE OR REPLACE VIEW public.campaign AS SELECT 'k' AS dedup_key, '+8801700000001' AS recipient, '{{}}'::jsonb AS data, 'day 1' AS body,
                                        '{json.dumps(IMAGES[:1])}'::jsonb AS media""")
    daemon.plan("campaign")
    accept_next(db, daemon)
    a_gap_passes(db)
    assert json.loads(accept_next(db, daemon).detail) == {"media": IMAGES[0]}


def test_parts_keep_to_their_own_gap_and_go_before_what_waits(db, daemon):
    db.sql("DELETE FROM herald.senders WHERE name = 'wb'; UPDATE herald.senders SET gap = '1 min', max_in_flight = 1")
    _, first, second = album(db)
    for i in range(3):
        db.sql("SELECT herald.send(%s, 'another', priority => 5)", f"+880170000001{i}")
    db.sql("UPDATE public.whatsapp_notifications SET lane = (SELECT lane FROM whatsapp_notifications WHERE body = 'another' LIMIT 1) WHERE body = 'look'")

    def gaps_pass(seconds):
        db.sql("UPDATE herald.sender_state SET next_at = next_at - make_interval(secs => %s)", seconds)
        db.sql("UPDATE public.whatsapp_notifications SET next_at = next_at - make_interval(secs => %s) WHERE part_of IS NOT NULL AND next_at < now() + interval '1 h'", seconds)

    accept_next(db, daemon)
    for expected in (first, second):
        gaps_pass(1.9)
        assert daemon.turn().claims == [], "not before its gap"
        gaps_pass(0.2)
        assert accept_next(db, daemon).id == expected
    gaps_pass(2.1)
    assert daemon.turn().claims == [], "the sender's gap goes before other messages"
    gaps_pass(90)
    assert accept_next(db, daemon).body == "another"


def test_parts_are_retried_with_their_message_or_after_it_was_sent(db, daemon):
    ident, *rest = album(db)
    db.sql("SELECT herald.cancel(%s)", ident)
    assert db.value("SELECT herald.retry_all('cancelled')") == 1
    accept_next(db, daemon)
    a_gap_passes(db)
    daemon.turn(rejected(daemon.turn().claims[0]), room=0)
    assert row(db, rest[0])["send_status"] == "failed"
    assert db.value("SELECT herald.retry_all('failed')") == 1
    assert accept_next(db, daemon).id == rest[0]


def test_a_message_that_is_told_after_it_had_expired_brings_its_media(db, daemon):
    ident, *rest = album(db)
    db.sql("UPDATE public.whatsapp_notifications SET expires_at = clock_timestamp(), next_at = least(next_at, clock_timestamp())")
    daemon.turn()
    assert db.column("SELECT DISTINCT send_status FROM whatsapp_notifications") == ["expired"]
    db.sql("SELECT herald.retry(%s)", ident)
    accept_next(db, daemon)
    for part in rest:
        a_gap_passes(db)
        assert accept_next(db, daemon).id == part


def test_a_part_that_is_rejected_late_keeps_the_next_back_no_longer(db, daemon):
    _, first, second = album(db)
    accept_next(db, daemon)
    a_gap_passes(db)
    claim, = daemon.turn().claims
    daemon.turn(in_doubt(claim), room=0)
    daemon.turn(rejected(claim), room=0)
    assert row(db, first)["send_status"] == "failed"
    a_gap_passes(db)
    assert accept_next(db, daemon).id == second


def test_a_digest_has_no_media(db, daemon):
    db.sql("INSERT INTO herald.templates (name, body) VALUES ('many', '{{count}}: {{list}}')")
    add_rule(db, "campaign", f"""SELECT n::text AS dedup_key, '+8801700000001' AS recipient, '{{}}'::jsonb AS data, 'day ' || n AS body,
                                        '{json.dumps(IMAGES)}'::jsonb AS media FROM generate_series(1, 2) n""", digest="5 min", digest_template="many")
    daemon.plan("campaign")
    db.sql("UPDATE public.whatsapp_notifications SET next_at = clock_timestamp() WHERE gathers")
    daemon.turn()
    daemon.work()
    assert accept_next(db, daemon).body == "2: day 1\nday 2"
    assert db.sql("SELECT DISTINCT send_status, error FROM whatsapp_notifications WHERE part_of IS NOT NULL") == [
        ("cancelled", "what it belongs to was told in a digest, which has no media")]
    # A person who wants one of them gets it with its media.
    db.sql("SELECT herald.retry(min(id)) FROM whatsapp_notifications")
    assert accept_next(db, daemon).body == "day 1"
    a_gap_passes(db)
    assert accept_next(db, daemon).body == "one"


@pytest.mark.parametrize("ends, status", [("SELECT herald.opt_out('+8801700000001', 'said so')", "suppressed"),
                                          ("UPDATE whatsapp_notifications SET expires_at = clock_timestamp() WHERE part_of IS NULL", "expired")])
def test_media_end_with_their_message_before_it_is_sent(db, daemon, ends, status):
    ident, *media = album(db)
    db.sql(ends)
    assert daemon.turn().claims == []
    assert row(db, ident)["send_status"] == status
    assert [(row(db, i)["send_status"], row(db, i)["error"]) for i in media] == [("cancelled", "what it belongs to was not sent")] * 2
