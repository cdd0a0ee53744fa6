"""When not to send, and who may take what room: senders that hang or fail, and people who want no more messages."""

import socket

import psycopg2
import pytest

from conftest import wait_until
from daemon import start_daemon  # noqa: F401 (fixture)
from load import receiving
from player import Daemon, accepted, add_rule, add_senders, in_doubt, row, send

ACCOUNT = '{"phone_number_id": "100000000000001", "api_version": "v23.0"}'


@pytest.fixture
def daemon(db):
    add_senders(db, "wa")
    player = Daemon(db)
    yield player
    player.close()


@pytest.fixture
def hanging():
    """A gateway that takes every connection and every request, and answers nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def senders_of(turn):
    return sorted(claim.sender for claim in turn.claims)


def test_one_of_several_senders_takes_at_most_half_of_the_places(db, daemon):
    add_senders(db, "other")
    for i in range(12):
        send(db, i, sender="wa")
    first = daemon.turn(room=8)
    assert senders_of(first) == ["wa"] * 4
    for i in range(20, 32):
        send(db, i, sender="other")
    assert senders_of(daemon.turn(room=4)) == ["other"] * 4
    assert daemon.turn(*map(accepted, first.claims), room=0).claims == []
    assert senders_of(daemon.turn(room=4)) == ["wa"] * 4


def test_a_lone_sender_takes_all_places(db, daemon):
    add_senders(db, "away", enabled=False)
    for i in range(12):
        send(db, i)
    assert senders_of(daemon.turn(room=8)) == ["wa"] * 8


def test_another_nodes_flights_take_no_places_of_this_one(db, daemon):
    add_senders(db, "other")
    for i in range(12):
        send(db, i, sender="wa")
    other = Daemon(db, node="node-2")
    assert len(other.turn(room=8).claims) == 4
    assert len(daemon.turn(room=8).claims) == 4
    other.close()


def test_a_gateway_that_hangs_leaves_room_for_the_others(db, hanging, start_daemon):  # noqa: F811
    with receiving() as sink:
        for name, url in ("stuck", hanging), ("fine", sink.url):
            add_senders(db, name, gateway="cloud", base_url=url, account=ACCOUNT, credential="bench")
        db.sql("UPDATE herald.settings SET value = '5 s' WHERE name = 'request_time_limit'")
        start_daemon(credentials={"bench": "token"}, max_in_flight=8)
        stuck = [send(db, i, sender="stuck") for i in range(30)]
        wait_until(lambda: db.value("SELECT count(*) FROM whatsapp_notifications WHERE send_status = 'sending' AND sender = 'stuck'") == 4,
                   "the hanging gateway's room is taken")
        fine = [send(db, 100 + i, f"{i} text", sender="fine") for i in range(200)]
        wait_until(lambda: db.value("SELECT count(*) FROM whatsapp_notifications WHERE send_status = 'sent' AND id = ANY (%s)", fine) == 200,
                   "the other's messages", 4)
        assert db.value("SELECT count(*) FROM whatsapp_notifications WHERE id = ANY (%s) AND send_status = 'sent'", stuck) == 0


def test_messages_left_in_doubt_one_after_the_other_hold_the_sender(db, daemon):
    db.sql("UPDATE herald.settings SET value = '3' WHERE name = 'failures_in_a_row'")
    for i in range(6):
        send(db, i)
    claims = daemon.turn(room=4).claims
    daemon.turn(in_doubt(claims[0]), in_doubt(claims[1]), room=0)
    assert db.value("SELECT count(*) FROM herald.holds") == 0
    told = daemon.turn(in_doubt(claims[2], "timed out"), room=10)
    assert [(what, sender) for what, sender, _ in told.events] == [("held", "wa")] and told.claims == []
    assert "3 failures in a row, the last: timed out" in told.events[0][2]


def test_who_has_opted_out_is_sent_nothing(db, daemon):
    waiting, other = send(db, 1), send(db, 2)
    target = row(db, waiting)["target"]
    db.sql("SELECT herald.opt_out(%s, 'typed STOP'), herald.opt_out(%s, 'typed STOP')", target, target)
    assert daemon.turn().ids == [other]
    assert row(db, waiting)["send_status"] == "suppressed" and row(db, waiting)["error"] == "opted out: typed STOP"
    assert db.value("SELECT value || coalesce(attention, '') FROM herald.status WHERE item = 'opted out'").startswith("1, the last at 20")
    later = send(db, 1)
    assert daemon.turn().ids == [] and row(db, later)["send_status"] == "suppressed"
    assert "suppressed: opted out: typed STOP" in str(db.sql("SELECT * FROM herald.explain(%s)", later))
    db.sql("SELECT herald.resume('recipient', %s)", target)
    again = send(db, 1)
    assert daemon.turn().ids == [], "resuming lifts a pause, not a person's wish"
    db.sql("SELECT herald.opt_in(%s), herald.retry(%s)", target, again)
    assert daemon.turn().ids == [again]


def opted_out(db):
    return db.column("SELECT name FROM herald.holds WHERE kind = 'recipient' AND cause = 'opt-out' ORDER BY name")


@pytest.mark.parametrize("written, country", [("+8801711000001", ""), ("8801711000001", "880"), ("01711-000 001", "880"), (" 00880 1711 000001", "")])
def test_an_opt_out_is_of_the_number_however_it_is_written(db, daemon, written, country):
    db.sql("UPDATE herald.settings SET value = %s WHERE name = 'default_country'", country)
    waiting = send(db, "+8801711000001")
    db.sql("SELECT herald.opt_out(%s)", written)
    assert opted_out(db) == ["+8801711000001"]
    assert "has opted out (asked for no more messages, since" in str(db.sql("SELECT * FROM herald.explain(%s)", waiting))
    assert daemon.turn().ids == [] and row(db, waiting)["send_status"] == "suppressed"
    db.sql("SELECT herald.opt_in(%s)", written)
    assert opted_out(db) == []


def test_an_opt_out_of_a_name_is_of_its_addresses_and_the_other_way_round(db, daemon):
    db.sql("INSERT INTO herald.recipients (name, channel, address) VALUES ('ada', 'whatsapp', '+880 1711 000001'), ('ada', 'email', 'ada@example.org'),"
           " ('ada', 'sms', 'nonsense'), ('grace', 'whatsapp', '+8801711000002')")
    def suppressed(*recipients):
        ids = [send(db, recipient) for recipient in recipients]
        assert not set(ids) & set(daemon.turn().ids)
        assert {row(db, ident)["send_status"] for ident in ids} == {"suppressed"}
    db.sql("SELECT herald.opt_out('ada'), herald.opt_out('+8801711000002')")
    assert opted_out(db) == ["+8801711000001", "+8801711000002", "ada@example.org"]
    suppressed("ada", "+8801711000001", "grace", "+8801711000002")
    # The address has opted out, not the name.
    db.sql("UPDATE herald.recipients SET address = '+8801711000003' WHERE name = 'ada' AND channel = 'whatsapp'")
    assert send(db, "ada") in daemon.turn().ids
    suppressed("+8801711000001")
    db.sql("SELECT herald.opt_in('grace'), herald.opt_in('+8801711000001')")
    assert opted_out(db) == ["ada@example.org"]


@pytest.mark.parametrize("nobody", ["", "  ", None, "no-such-name", "0171", "+12", "01711000001"])
def test_nobody_can_not_opt_out(db, nobody):
    for function in "opt_out", "opt_in":
        with pytest.raises(psycopg2.errors.RaiseException):
            db.sql(f"SELECT herald.{function}(%s)", nobody)


@pytest.mark.parametrize("sent_to, heard_of", [("+525512345678", "+5215512345678"), ("+541123456789", "+5491123456789"),
                                               ("+5511987654321", "+551187654321")])
def test_both_forms_of_a_number_are_opted_out(db, daemon, sent_to, heard_of):
    for first, second in (sent_to, heard_of), (heard_of, sent_to):
        db.sql("SELECT herald.opt_out(%s)", first)
        assert opted_out(db) == sorted((sent_to, heard_of))
        ident = send(db, second)
        daemon.turn()
        assert row(db, ident)["send_status"] == "suppressed"
        db.sql("SELECT herald.opt_in(%s)", second)
        assert opted_out(db) == []
    landline = "+551123456789"
    db.sql("SELECT herald.opt_out(%s)", landline)
    assert opted_out(db) == [landline]


# --- quiet hours ---


@pytest.mark.parametrize("at, zone, opens, closes, wanted", [
    ("2026-01-05 12:00+00", "UTC", "09:00", "18:00", "2026-01-05 12:00+00"),
    ("2026-01-05 08:59:59+00", "UTC", "09:00", "18:00", "2026-01-05 09:00+00"),
    ("2026-01-05 18:00+00", "UTC", "09:00", "18:00", "2026-01-06 09:00+00"),
    ("2026-01-05 23:30+00", "UTC", "22:00", "06:00", "2026-01-05 23:30+00"),
    ("2026-01-05 07:00+00", "UTC", "22:00", "06:00", "2026-01-05 22:00+00"),
    ("2026-01-05 03:00+00", "Asia/Karachi", "09:00", "18:00", "2026-01-05 04:00+00"),
    ("2026-03-28 22:00+00", "Europe/Berlin", "08:00", "18:00", "2026-03-29 06:00+00"),  # the clocks go forward in that night
    ("2026-03-28 22:00+00", "Europe/Berlin", "02:30", "18:00", "2026-03-29 01:30+00"),  # 02:30 does not exist: 03:30
    ("2026-10-24 22:00+00", "Europe/Berlin", "08:00", "18:00", "2026-10-25 07:00+00"),  # and back
    ("2026-01-05 12:00+00", "UTC", "09:00", "09:00", "2026-01-05 12:00+00"),
])
def test_the_next_window(db, at, zone, opens, closes, wanted):
    assert db.value("SELECT herald.next_window(%s, %s, %s, %s) = %s::timestamptz", at, zone, opens, closes, wanted), \
        db.value("SELECT herald.next_window(%s, %s, %s, %s)::text", at, zone, opens, closes)


def quiet_now(db, name, zone="UTC"):
    """A recipient whose quiet hours began an hour ago and last another."""
    db.sql("""INSERT INTO herald.recipients (name, address, timezone, quiet_hours)
              SELECT %s, '+8801700000077', %s, to_char(l.now - interval '1 h', 'HH24:MI') || '-' || to_char(l.now + interval '1 h', 'HH24:MI')
                FROM (SELECT clock_timestamp() AT TIME ZONE 'UTC' AS now) l""", name, zone)


def test_quiet_hours_are_waited_for(db, daemon):
    quiet_now(db, "sleeper")
    db.sql("INSERT INTO herald.recipients (name, address) VALUES ('other', '+8801700000078')")
    waiting, other = send(db, "sleeper"), send(db, "other")
    assert daemon.turn().ids == [other]
    assert db.value("SELECT next_at - clock_timestamp() BETWEEN '58 min' AND '61 min' FROM whatsapp_notifications WHERE id = %s", waiting)
    assert "its recipient has quiet hours until" in str(db.sql("SELECT * FROM herald.explain(%s)", waiting))
    db.sql("UPDATE herald.recipients SET quiet_hours = NULL; UPDATE whatsapp_notifications SET next_at = clock_timestamp() WHERE id = %s", waiting)
    assert daemon.turn().ids == [waiting]


def test_quiet_hours_are_the_persons_however_they_are_addressed(db, daemon):
    quiet_now(db, "sleeper")
    by_number = send(db, db.value("SELECT address FROM herald.recipients WHERE name = 'sleeper'"))
    assert daemon.turn().ids == []
    assert "its recipient has quiet hours until" in str(db.sql("SELECT * FROM herald.explain(%s)", by_number))
    assert db.value("SELECT next_at > clock_timestamp() FROM whatsapp_notifications WHERE id = %s", by_number)


def test_an_urgent_rule_does_not_wait(db, daemon):
    quiet_now(db, "sleeper")
    for name, urgent in ("calm", False), ("alarm", True):
        add_rule(db, name, "SELECT '1'::text AS dedup_key, 'sleeper'::text AS recipient, '{}'::jsonb AS data, 'b'::text AS body", urgent=urgent)
    daemon.work()
    assert [row(db, ident)["rule"] for ident in daemon.turn().ids] == ["alarm"]


def test_a_time_zone_that_is_none_stops_nothing(db, daemon):
    quiet_now(db, "sleeper", "Middle/Earth")
    db.sql("UPDATE herald.settings SET value = 'UTC' WHERE name = 'timezone'")
    send(db, "sleeper")
    other = send(db, 1)
    assert daemon.turn().ids == [other]
    assert ('recipient "sleeper"', 'there is no time zone "Middle/Earth"') in [row[:2] for row in db.sql("SELECT * FROM herald.check()")]


@pytest.mark.parametrize("text", ["22-7", "25:00-07:00", "22:00", "", "22:00-07:00-09:00"])
def test_quiet_hours_that_cannot_be_understood_are_refused(db, text):
    with pytest.raises(psycopg2.errors.CheckViolation):
        db.sql("INSERT INTO herald.recipients (name, address, quiet_hours) VALUES ('x', '+8801700000077', %s)", text)


def test_a_sender_at_its_half_is_nothing_to_look_for_until_something_lands(db, daemon):
    add_senders(db, "other")
    for i in range(12):
        send(db, i, sender="wa")
    claims = daemon.turn(room=8).claims
    assert daemon.turn(room=4).due_sec > 10  # the end of a lease, not "now"
    daemon.turn(accepted(claims[0]), room=0)
    assert len(daemon.turn(room=5).claims) == 1
