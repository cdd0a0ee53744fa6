"""What is renamed, replaced, switched off, held or taken away: nothing that belongs to it waits for ever, or is held for ever."""

import pytest

from player import Daemon, accepted, add_rule, add_senders, in_doubt, probe_now, row, send, wait

WPP = {"gateway": "wppconnect", "account": '{"session": "x"}', "limits": "{}", "gap": "0", "max_in_flight": 9}


@pytest.fixture
def daemon(db):
    player = Daemon(db)
    yield player
    player.close()


def hold(db):
    return db.sql("SELECT kind, name, cause, proof FROM herald.holds ORDER BY 1, 2, 3")


def attention(db):
    return db.sql("SELECT item, attention FROM herald.status WHERE attention IS NOT NULL")


# --- senders ---


@pytest.mark.parametrize("how", ["waits", "was sent"])
def test_a_sender_that_has_messages_keeps_its_name(db, daemon, how):
    add_senders(db, "a")
    send(db, 1, **({"sender": "a"} if how == "waits" else {}))
    if how == "was sent":
        daemon.turn(accepted(daemon.turn().claims[0]))
    with pytest.raises(Exception, match='sender "a" can\'t be renamed: it has messages') as refused:
        db.sql("UPDATE herald.senders SET name = 'b'")
    assert 'Add a sender "b"' in refused.value.diag.message_hint
    db.sql("UPDATE herald.senders SET priority = 1, name = 'a'")


def test_a_sender_without_messages_is_paused_under_its_new_name_too(db):
    add_senders(db, "a")
    db.sql("SELECT herald.pause('sender', 'a'); UPDATE herald.senders SET name = 'b'")
    assert hold(db) == [("sender", "b", "paused", None)]


def test_a_sender_that_is_deleted_leaves_nothing_behind(db, daemon):
    add_senders(db, "a", **WPP)
    for n in range(3):
        send(db, n)
    first, second, third = daemon.turn().claims
    daemon.turn(wait(first, "sender"), room=0)
    assert hold(db) == [("sender", "a", "blocked", "health, then message")]
    db.sql("DELETE FROM herald.senders")
    # Nor is it held for what was in flight.
    assert daemon.turn(wait(second, "sender"), in_doubt(third), room=0).events == []
    assert (hold(db), db.sql("SELECT sender FROM herald.sender_state"), db.sql("SELECT sender FROM herald.health")) == ([], [], [])
    assert not [item for item, _ in attention(db) if item.startswith("hold")]


def test_what_is_held_can_be_resumed_though_it_is_gone(db):
    db.sql("INSERT INTO herald.holds (kind, name, cause, reason) VALUES ('sender', 'gone', 'blocked', 'x'), ('template', 'gone', 'paused', 'x')")
    for kind in ("sender", "template"):
        assert db.value("SELECT herald.resume(%s, 'gone')", kind).startswith(f'{kind} "gone" is resumed')
        with pytest.raises(Exception, match=f'there is no {kind} "gone"'):
            db.sql("SELECT herald.resume(%s, 'gone')", kind)


def test_a_held_sender_with_another_gateway_is_opened_by_what_that_can_tell(db, daemon):
    add_senders(db, "a", **WPP)
    ident = send(db, 1)
    daemon.turn(wait(daemon.turn().claims[0], "sender"), room=0)
    assert hold(db) == [("sender", "a", "blocked", "health, then message")]
    db.sql("UPDATE herald.senders SET gateway = 'webhook'")
    assert hold(db) == [("sender", "a", "blocked", "message")]
    probe_now(db, "a")
    claim, = daemon.turn().claims
    daemon.turn(accepted(claim), room=0)
    assert row(db, ident)["send_status"] == "sent" and hold(db) == []


def test_a_held_sender_is_asked_when_its_gateway_can_be_asked_now(db, daemon):
    db.sql("UPDATE herald.settings SET value = '' WHERE name = 'health_interval'")
    add_senders(db, "a")
    send(db, 1)
    daemon.turn(wait(daemon.turn().claims[0], "sender"), room=0)
    db.sql("UPDATE herald.senders SET gateway = 'wppconnect', account = %s", WPP["account"])
    assert hold(db) == [("sender", "a", "blocked", "health, then message")]
    assert db.value("SELECT (SELECT ask_at FROM herald.health) = (SELECT until FROM herald.holds)")


def test_another_gateway_need_not_acknowledge_what_the_one_before_did(db, daemon):
    add_senders(db, "a", **WPP)
    db.sql("INSERT INTO herald.acknowledgements (sender, acknowledged_at) VALUES ('a', now())")
    db.sql("INSERT INTO herald.holds (kind, name, cause, reason) VALUES ('sender', 'a', 'unpaired', 'x')")
    db.sql("UPDATE herald.senders SET gateway = 'webhook'")
    ident = send(db, 1)
    daemon.turn(accepted(daemon.turn().claims[0]), room=0)
    assert db.value("SELECT acknowledge_by FROM herald.acknowledgements") is None and row(db, ident)["send_status"] == "sent"


ONE = "SELECT 'a'::text AS dedup_key, '+8801711111111'::text AS recipient, '{}'::jsonb AS data, 'b'::text AS body, 'whatsap'::text AS channel"


@pytest.mark.parametrize("how", ["deleted", "disabled", "channel"])
def test_what_no_sender_may_carry_is_told_of_and_expires(db, daemon, how):
    add_senders(db, "a")
    if how == "channel":
        add_rule(db, "typo", ONE)
        daemon.work()
        ident = 1
    else:
        ident = send(db, 1, sender="a")
        db.sql("DELETE FROM herald.senders" if how == "deleted" else "UPDATE herald.senders SET enabled = false")
    assert daemon.turn().claims == []
    told, = [(s, p) for s, p, _ in db.sql("SELECT * FROM herald.check()") if "wait for" in p]
    assert told == (('rule "typo"', '1 of its messages wait for channel "whatsap", which no enabled sender serves, and will expire') if how == "channel" else
                    ("messages without a rule",
                     '1 of its messages wait for sender "a" of channel "whatsapp", which does not exist or is not enabled, and will expire'))
    daemon.backstop()
    assert row(db, ident)["send_status"] == "pending"
    db.sql("UPDATE whatsapp_notifications SET expires_at = clock_timestamp()")
    daemon.backstop()
    assert (row(db, ident)["send_status"], row(db, ident)["next_at"]) == ("expired", None)
    assert not [p for _, p, _ in db.sql("SELECT * FROM herald.check()") if "wait for" in p]


# --- templates ---


def test_a_hold_follows_a_template_to_its_new_name_and_what_waits_does(db, daemon):
    add_senders(db, "a")
    db.sql("INSERT INTO herald.templates (name, locale, body) VALUES ('t', '', 'x'), ('t', 'de', 'y')")
    db.sql("SELECT herald.pause('template', 't')")
    idents = [db.value("SELECT herald.send('+8801700000001', template => 't', locale => %s)", locale) for locale in ("", "de")]
    assert daemon.turn().claims == []
    db.sql("UPDATE herald.templates SET name = 't2' WHERE locale = 'de'")
    assert [row(db, i)["template"] for i in idents] == ["t", "t2"]
    assert [name for _, name, _, _ in hold(db)] == ["t", "t2"]
    db.sql("UPDATE herald.templates SET name = 't2'")
    assert [row(db, i)["template"] for i in idents] == ["t2", "t2"]
    assert hold(db) == [("template", "t2", "paused", None)] and daemon.turn().claims == []
    db.sql("SELECT herald.resume('template', 't2')")
    assert daemon.turn().ids == idents[:1]  # to one recipient, one after the other


# --- what is held ---


def test_what_is_held_for_good_expires_all_the_same(db, daemon):
    add_senders(db, "a")
    db.sql("SELECT herald.pause('recipient', '+8801700000001')")
    held, kept = send(db, 1), send(db, 1)
    daemon.turn()
    db.sql("UPDATE whatsapp_notifications SET expires_at = clock_timestamp() WHERE id = %s", held)
    assert daemon.turn().claims == []
    daemon.backstop()
    assert (row(db, held)["send_status"], row(db, held)["next_at"]) == ("expired", None)
    db.sql("SELECT herald.resume('recipient', '+8801700000001')")
    assert daemon.turn().ids == [kept]


def test_a_hold_that_goes_while_a_claim_judges_keeps_nothing_back(db, daemon):
    """The claim found it held; by the next statement, which puts it off, the hold has gone."""
    add_senders(db, "a")
    ident = send(db, 1)
    db.sql("SELECT herald.claim_others(clock_timestamp(), ARRAY[%s::bigint], '{defer}')", ident)
    assert daemon.turn().ids == [ident]


@pytest.mark.parametrize("how", ["hold", "quiet hours"])
def test_what_is_held_beyond_its_time_is_met_when_that_is_over(db, daemon, how):
    add_senders(db, "a")
    if how == "hold":
        db.sql("INSERT INTO herald.holds (kind, name, cause, reason, until) VALUES ('recipient', '+8801700000001', 'pair limit', 'x', now() + interval '1 h')")
    else:
        db.sql("""INSERT INTO herald.recipients (name, address, quiet_hours, timezone)
                  VALUES ('r', '+8801700000001', to_char(now() AT TIME ZONE 'UTC', 'HH24:MI') || to_char(now() AT TIME ZONE 'UTC' + interval '1 h', '-HH24:MI'), 'UTC')""")
    ident = send(db, 1)
    db.sql("UPDATE whatsapp_notifications SET expires_at = clock_timestamp() + interval '1 min'")
    assert daemon.turn().claims == [] and row(db, ident)["next_at"] == row(db, ident)["expires_at"]
