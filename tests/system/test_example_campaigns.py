"""campaigns, played through: seven days at played times, pauses, payments at the worst moment, what is wrong and for whom it is said, pairing,
and with daemon and sandbox a session that drops in the middle."""

import datetime
import itertools
import json

import psycopg2
import pytest

from conftest import wait_until
from daemon import sandbox, settled, start_daemon  # noqa: F401 (fixtures)
from examples import attended, commented, load, plan_at, psql
from hostile import Hostile, http
from player import Daemon, accepted, add_senders, in_doubt, rejected

NAME = "campaigns"
CREDENTIALS = {"campaigns_key": "key-of-the-sessions"}
DAY0 = datetime.date(2026, 3, 1)


def add_account(db, account_id=1, zone="Asia/Karachi", connected=True):
    """A user, as the application writes it; connected: as if their telephone had been paired."""
    db.sql("INSERT INTO campaigns.accounts (account_id, name, timezone) VALUES (%s, %s, %s)", account_id, f"User {account_id}", zone)
    if connected:
        db.sql("DELETE FROM herald.holds WHERE kind = 'sender' AND name = %s", f"campaigns-{account_id}")


def enrol(db, *contacts, account_id=1, at="2026-03-01 12:00+05"):
    """Contacts, enrolled; each an id, or (id, phone), or (id, phone, language)."""
    for contact in contacts:
        contact_id, phone, language = (*contact, None, None)[:3] if isinstance(contact, tuple) else (contact, f"+9230000000{contact:02d}", None)
        db.sql("INSERT INTO campaigns.contacts (contact_id, account_id, name, phone, language) VALUES (%s, %s, %s, %s, %s)",
               contact_id, account_id, f"Contact {contact_id}", phone, language or "")
        db.sql("INSERT INTO campaigns.enrolments (contact_id, asked_at) VALUES (%s, %s)", contact_id, at)


def moment(day, time="10:05", zone="+05"):
    return f"{DAY0 + datetime.timedelta(days=day)} {time}{zone}"


class Days:
    """A daemon that takes all that is due, at played times."""

    def __init__(self, db):
        self.db = db
        self.player = Daemon(db)

    def pass_day(self, day, time="10:05", outcome=accepted):
        """What is told then: (contact, day of the campaign) of each."""
        plan_at(self.db, NAME, moment(day, time))
        taken = []
        while claims := self.player.turn().claims:
            self.player.turn(*(outcome(claim) for claim in claims), room=0)
            taken += [claim.id for claim in claims]
            self.db.sql("UPDATE public.whatsapp_notifications SET sent_at = %s WHERE id = ANY (%s) AND sent_at IS NOT NULL", moment(day, time), taken)
        return sorted(tuple(int(part) for part in key.split("/")) for key in self.db.column(
            "SELECT dedup_key FROM whatsapp_notifications WHERE id = ANY (%s) AND part_of IS NULL", taken))


@pytest.fixture
def loop(db):
    """The example, let go, with one user; its senders have no gap."""
    load(db, NAME, gateway_gap="0")
    db.sql("SELECT herald.resume('rule', 'campaigns')")
    db.sql("UPDATE campaigns.gateway SET limits = '{}'")
    attended(db)
    add_account(db)
    return db


@pytest.fixture
def days(loop):
    """Its daemon."""
    player = Days(loop)
    yield player
    player.player.close()


# --- the days ---

def test_each_contact_gets_the_message_of_day_n_n_days_after_enrolment_and_started_twice_once(loop, days):
    enrol(loop, 1)
    enrol(loop, 2, at="2026-03-03 23:30+05")
    for _ in range(2):
        psql(loop, text=commented(NAME, "INSERT INTO campaigns.enrolments"))
    assert [days.pass_day(day) for day in range(12)] == [
        [], [(1, 1)], [(1, 2)], [(1, 3), (2, 1)], [(1, 4), (2, 2)], [(1, 5), (2, 3)], [(1, 6), (2, 4)], [(1, 7), (2, 5)], [(2, 6)], [(2, 7)], [], []]
    assert loop.sql("SELECT body, sender, channel FROM whatsapp_notifications WHERE dedup_key = '1/1'") == [
        ("Hello Contact 1, thank you for your interest! Here is what we do.\nUser 1", "campaigns-1", "campaigns")]


@pytest.mark.parametrize("zone, at, told", [
    ("Asia/Karachi", "2026-03-02 09:59+05", []), ("Asia/Karachi", "2026-03-02 10:00+05", ["1/1"]), ("Asia/Karachi", "2026-03-02 19:59:59+05", ["1/1"]),
    ("Asia/Karachi", "2026-03-02 20:00+05", []), ("America/New_York", "2026-03-02 19:59+05", []), ("America/New_York", "2026-03-02 20:00+05", ["1/1"]),
    ("Asia/Karachi", "2026-03-01 19:00+05", [])])
def test_at_a_sensible_hour_of_the_users(db, zone, at, told):
    load(db, NAME)
    db.sql("SELECT herald.resume('rule', 'campaigns')")
    add_account(db, zone=zone)
    enrol(db, 1)
    plan_at(db, NAME, at)
    assert db.column("SELECT dedup_key FROM whatsapp_notifications") == told


def test_what_waits_beyond_the_hours_is_planned_anew_on_the_next_day_with_its_images(loop, days):
    loop.sql("UPDATE campaigns.days SET images = '{https://example.org/1.jpg}' WHERE day = 1")
    enrol(loop, 1)
    loop.sql("UPDATE herald.senders SET enabled = false")
    assert days.pass_day(1) == []
    loop.sql("UPDATE public.whatsapp_notifications SET created_at = created_at - interval '2 min' WHERE part_of IS NULL; UPDATE herald.senders SET enabled = true")
    loop.sql("""UPDATE campaigns.accounts a SET opens_at = h.at, closes_at = h.at + interval '1 hour'
                  FROM (SELECT CASE WHEN (now() AT TIME ZONE 'Asia/Karachi')::time < '12:00' THEN time '22:00' ELSE time '01:00' END AS at) h""")
    days.player.turn()
    days.player.work()  # whoever looks at it now sees that it is night
    assert loop.column("SELECT DISTINCT send_status FROM whatsapp_notifications") == ["cancelled"]
    loop.sql("UPDATE campaigns.accounts SET opens_at = '10:00', closes_at = '20:00'")
    assert days.pass_day(2) == [(1, 1)]
    assert loop.value("SELECT count(*) FROM whatsapp_notifications WHERE send_status = 'pending' AND media ->> 'url' = 'https://example.org/1.jpg'") == 1
    assert [days.pass_day(day) for day in (3, 4)] == [[(1, 2)], [(1, 3)]]


def test_a_hundred_a_day_the_others_the_day_after_and_nobody_two_on_one_day(db):
    load(db, NAME, gateway_gap="0")
    db.sql("SELECT herald.resume('rule', 'campaigns')")
    add_account(db)
    add_account(db, 2)
    db.sql("UPDATE herald.senders SET max_in_flight = 1000")
    db.sql("""INSERT INTO campaigns.contacts (contact_id, account_id, name, phone) SELECT n, 1, 'C', '+92300' || lpad(n::text, 7, '0') FROM generate_series(1, 150) n;
              INSERT INTO campaigns.contacts (contact_id, account_id, name, phone) SELECT n, 2, 'C', '+92300' || lpad(n::text, 7, '0') FROM generate_series(201, 210) n;
              INSERT INTO campaigns.enrolments (contact_id, asked_at) SELECT contact_id, '2026-03-01 12:00+05' FROM campaigns.contacts""")
    days = Days(db)
    told = []
    for day in range(1, 12):
        told.append(days.pass_day(day))
        db.sql("DELETE FROM herald.counts")  # a day passes
    days.player.close()
    mine = [[one for one in day if one[0] <= 150] for day in told]
    assert [len(day) for day in mine] == [100] * 10 + [50]
    assert all(len({contact for contact, _ in day}) == len(day) for day in mine)
    assert [[n for contact, n in sum(mine, []) if contact == c] for c in range(1, 151)] == [[1, 2, 3, 4, 5, 6, 7]] * 150
    assert [len([one for one in day if one[0] > 200]) for day in told] == [10] * 7 + [0] * 4  # another user's hundred is their own


# --- pauses ---

def test_sending_is_paused_and_goes_on_where_it_was(loop, days):
    add_account(loop, 2)
    enrol(loop, 1)
    enrol(loop, 2, account_id=2)
    assert days.pass_day(1) == [(1, 1), (2, 1)]
    psql(loop, text=commented(NAME, "UPDATE campaigns.accounts SET sending_paused"))
    assert [days.pass_day(day) for day in (2, 3)] == [[(2, 2)], [(2, 3)]]
    loop.sql("UPDATE campaigns.accounts SET sending_paused = false WHERE account_id = 1")
    assert [days.pass_day(day) for day in (4, 5)] == [[(1, 2), (2, 4)], [(1, 3), (2, 5)]]
    # What an operator paused is not let go by any other change of the account.
    loop.sql("SELECT herald.pause('sender', 'campaigns-1', 'an operator'); UPDATE campaigns.accounts SET name = 'other' WHERE account_id = 1")
    assert days.pass_day(6) == [(2, 6)]


def test_enrolment_is_paused_and_who_was_enrolled_meanwhile_begins_when_it_is_over(loop):
    enrol(loop, 1)
    psql(loop, text=commented(NAME, "UPDATE campaigns.accounts SET enrolment_paused"))
    enrol(loop, 2)
    add_account(loop, 2)
    enrol(loop, 3, account_id=2)
    assert loop.column("SELECT contact_id FROM campaigns.enrolments WHERE started_at IS NOT NULL ORDER BY 1") == [1, 3]
    loop.sql("UPDATE campaigns.accounts SET enrolment_paused = false WHERE account_id = 1")
    assert loop.value("SELECT started_at > now() - interval '1 min' FROM campaigns.enrolments WHERE contact_id = 2")
    assert loop.value("SELECT started_at = asked_at FROM campaigns.enrolments WHERE contact_id = 1")


# --- payments ---

def pay(db, contact_id=1):
    db.sql("UPDATE campaigns.contacts SET paid_at = now() WHERE contact_id = %s", contact_id)


def states(db):
    return [tuple(row) for row in db.sql("SELECT part_of IS NOT NULL, send_status FROM whatsapp_notifications ORDER BY id")]


@pytest.mark.parametrize("leaves", ["UPDATE campaigns.contacts SET paid_at = now() WHERE contact_id = 1", "DELETE FROM campaigns.contacts WHERE contact_id = 1"])
def test_who_pays_leaves_at_once_also_when_a_message_already_waits(loop, days, leaves):
    loop.sql("UPDATE campaigns.days SET images = '{https://example.org/1.jpg,https://example.org/2.jpg}'")
    enrol(loop, 1, 11)
    plan_at(loop, NAME, moment(1))
    loop.sql(leaves)
    assert states(loop).count((False, "cancelled")) == 1 and states(loop).count((True, "cancelled")) == 2
    assert [claim.target for claim in days.player.turn().claims] == ["+923000000011"]
    assert days.pass_day(2) == []


def test_of_who_pays_between_text_and_images_the_images_stay_away(loop, days):
    loop.sql("""UPDATE campaigns.days SET images = '{https://example.org/1.jpg,https://example.org/2.jpg}';
                UPDATE campaigns.accounts SET opens_at = '00:00', closes_at = '24:00'""")
    enrol(loop, 1)
    plan_at(loop, NAME, moment(1))
    days.player.turn(accepted(days.player.turn().claims[0]), room=0)
    loop.sql("UPDATE public.whatsapp_notifications SET next_at = clock_timestamp() - interval '1 ms' WHERE part_of IS NOT NULL AND next_at < now() + interval '1 min'")
    days.player.turn(accepted(days.player.turn().claims[0]), room=0)
    pay(loop)
    assert states(loop) == [(False, "sent"), (True, "sent"), (True, "cancelled")]


def test_a_payment_is_noted_whatever_becomes_of_the_message(loop, days):
    loop.sql("UPDATE herald.senders SET max_in_flight = 2")
    enrol(loop, 1, 2)
    plan_at(loop, NAME, moment(1))
    claims = days.player.turn().claims
    pay(loop, 1)  # it is being sent
    days.player.turn(*(in_doubt(claim) for claim in claims), room=0)
    pay(loop, 2)  # it may have been
    assert loop.sql("SELECT dedup_key, send_status FROM whatsapp_notifications ORDER BY 1") == [("1/1", "in_doubt"), ("2/1", "cancelled")]
    assert loop.column("SELECT contact_id FROM campaigns.contacts WHERE paid_at IS NULL") == []
    # When its doubt is over, it is not sent a second time to somebody who has paid.
    loop.sql("""UPDATE campaigns.accounts SET opens_at = '00:00', closes_at = '24:00'; UPDATE campaigns.enrolments SET started_at = now() - interval '1 day';
                UPDATE public.whatsapp_notifications SET next_at = clock_timestamp(), created_at = created_at - interval '2 min' WHERE next_at IS NOT NULL""")
    for _ in range(3):
        assert days.player.turn().claims == []
        days.player.work()
    assert loop.value("SELECT send_status FROM whatsapp_notifications WHERE error LIKE 'no longer true%%'") == "cancelled"
    assert loop.value("SELECT in_doubt_grace >= interval '1 min' FROM herald.rules WHERE name = 'campaigns'")


def test_who_paid_while_the_session_was_away_hears_nothing_when_it_is_back(loop, days):
    enrol(loop, 1, 2)
    loop.sql("UPDATE herald.senders SET enabled = false")
    plan_at(loop, NAME, moment(1))
    loop.sql("ALTER TABLE campaigns.contacts DISABLE TRIGGER USER")  # what the trigger does at once, the recheck does too
    pay(loop)
    loop.sql("UPDATE public.whatsapp_notifications SET created_at = created_at - interval '2 min'; UPDATE herald.senders SET enabled = true")
    loop.sql("UPDATE campaigns.accounts SET opens_at = '00:00', closes_at = '24:00'; UPDATE campaigns.enrolments SET started_at = now() - interval '1 day'")
    days.player.turn()
    days.player.work()
    assert [claim.target for claim in days.player.turn().claims] == ["+923000000002"]


# --- what is wrong, and for whom it is said ---

def problems(db, but="not finished%"):
    """By the real clock, by which loops of played days began long ago."""
    return db.sql("SELECT account_id, subject, problem, remedy FROM campaigns.problems WHERE problem NOT LIKE %s ORDER BY 1, 2, 3", but)


def test_a_contact_whom_nothing_reaches_is_named_and_told_once_that_is_mended(loop, days):
    enrol(loop, (1, None), (2, "+12"), 3, 4)
    assert days.pass_day(1, outcome=lambda c: rejected(c) if c.target.endswith("03") else accepted(c)) == [(3, 1), (4, 1)]
    assert [row[:3] for row in problems(loop)] == [(1, "contact 1, Contact 1", "has no number"), (1, "contact 2, Contact 2", "malformed telephone number"),
                                                    (1, "contact 3, Contact 3", "not on WhatsApp")]
    assert days.pass_day(2) == [(4, 2)]  # and is not written to each day
    loop.sql("UPDATE campaigns.contacts SET phone = '+92300000010' || contact_id WHERE contact_id <= 3")
    assert problems(loop) == []
    assert [days.pass_day(day) for day in (3, 4)] == [[(1, 1), (2, 1), (3, 1), (4, 3)], [(1, 2), (2, 2), (3, 2), (4, 4)]]


def test_a_language_without_a_message_and_a_message_with_a_hole(loop, days):
    enrol(loop, (1, "+923000000001", "ur"), (2, "+923000000002"))
    loop.sql("DELETE FROM campaigns.days WHERE day > 3; INSERT INTO campaigns.days (day, language, body) VALUES (1, 'ur', 'Salam {{name}}')")
    default = "They get the one of language ''. Add a row to campaigns.days."
    assert problems(loop) == [(None, f"day {n}", 'it has no message in language "ur", which 1 contacts have', default) for n in (2, 3)]
    days.pass_day(1)
    assert loop.column("SELECT split_part(body, ' ', 1) FROM whatsapp_notifications ORDER BY dedup_key") == ["Salam", "Hello"]
    # No message for all either: who has the language goes on, the others wait, and it is said.
    loop.sql("DELETE FROM campaigns.days WHERE day = 2; INSERT INTO campaigns.days (day, language, body) VALUES (2, 'ur', 'Do {{name}}'), (2, 'fr', 'Deux {{nom}}')")
    assert days.pass_day(2) == [(1, 2)]
    assert (None, "day 2", 'it has no message in language "", which 1 contacts have', "They are not told. Add a row to campaigns.days.") in problems(loop)
    assert (1, "contact 2, Contact 2", 'there is no template "campaign_day_2" in locale ""', "An administrator has to correct the day's message.") in problems(loop)
    loop.sql("INSERT INTO campaigns.days (day, body) VALUES (2, 'Two, {{nmae}}')")
    days.pass_day(3)
    assert [row[1:] for row in problems(loop) if row[0] == 1] == [
        ("contact 2, Contact 2", 'template "campaign_day_2" needs field "nmae", which the row\'s data does not have', "An administrator has to correct the day's message.")]
    loop.sql("UPDATE campaigns.days SET body = 'Two, {{name}}' WHERE day = 2 AND language = ''")
    assert days.pass_day(4) == [(2, 2)]
    assert loop.value("SELECT body FROM whatsapp_notifications WHERE dedup_key = '2/2'") == "Two, Contact 2"


def test_images_follow_in_their_order_two_seconds_apart(loop, days):
    loop.sql("""UPDATE herald.senders SET gap = '3 s';
                UPDATE campaigns.days SET images = '{https://example.org/1.jpg,https://example.org/2.jpg}' WHERE day = 1;
                UPDATE campaigns.accounts SET opens_at = '00:00', closes_at = '24:00'""")
    enrol(loop, 1, 2)
    plan_at(loop, NAME, moment(1))
    order = []
    for _ in range(6):
        claim, = days.player.turn().claims
        days.player.turn(accepted(claim), room=0)
        order.append((claim.target[-2:], (json.loads(claim.detail or "{}").get("media") or {}).get("url", "text")[-5:]))
        assert days.player.turn().claims == []
        pause_sec = loop.value("SELECT extract(epoch FROM next_at - clock_timestamp())::float FROM herald.sender_state")
        assert pause_sec <= 2 if order[-1][1] != "2.jpg" else 2.5 < pause_sec <= 4.5, (order, pause_sec)
        loop.sql("UPDATE herald.sender_state SET next_at = next_at - interval '5 s'")
        loop.sql("UPDATE public.whatsapp_notifications SET next_at = next_at - interval '5 s' WHERE part_of IS NOT NULL AND next_at < now() + interval '1 min'")
    first, second = order[0][0], order[3][0]
    assert order == [(who, what) for who in (first, second) for what in ("text", "1.jpg", "2.jpg")] and first != second


# --- accounts and their sessions ---

def connection(db, account_id=1):
    return db.sql("SELECT status, code, reason FROM campaigns.connections WHERE account_id = %s", account_id)[0]


def test_the_application_shows_the_code_and_whether_it_is_connected(db):
    load(db, NAME)
    add_account(db, connected=False)
    assert connection(db) == ("disconnected", None, "it was never connected")
    with pytest.raises(psycopg2.Error, match="no daemon is there to tell the gateway"):
        db.sql("SELECT campaigns.connect(1)")
    player = Daemon(db)
    asked = lambda: [(r.sender, r.target) for r in player.turn().rows if r.what == "ask"]  # noqa: E731
    assert asked() == []  # nobody has asked for its session
    psql(db, text=commented(NAME, "SELECT campaigns.connect"))
    assert asked() == [("campaigns-1", "pair")]
    db.sql("SELECT * FROM herald.tell('{campaigns-1}', '{code}', '{NULL}', '{NULL}', '{2@code}', '{pair}')")
    assert connection(db)[:2] == ("pairing", "2@code")
    assert "2@code" in psql(db, text=commented(NAME, "SELECT status, code"))
    assert db.value("SELECT code_until BETWEEN now() AND now() + interval '1 min' FROM campaigns.connections")
    db.sql("SELECT * FROM herald.tell('{campaigns-1}', '{well}', '{NULL}', '{NULL}', '{NULL}', '{pair}')")
    assert connection(db) == ("connected", None, None)
    with pytest.raises(psycopg2.Error, match="account 1 is connected"):
        db.sql("DELETE FROM campaigns.accounts WHERE account_id = 1")
    psql(db, text=commented(NAME, "SELECT campaigns.disconnect"))
    assert connection(db)[0] == "disconnecting" and asked() == [("campaigns-1", "unpair")]
    db.sql("SELECT * FROM herald.tell('{campaigns-1}', '{well}', '{NULL}', '{NULL}', '{NULL}', '{unpair}')")
    assert connection(db) == ("disconnected", None, "it was unpaired on request")
    db.sql("SELECT campaigns.disconnect(1)")  # a second time does nothing
    assert connection(db)[0] == "disconnected"
    db.sql("DELETE FROM campaigns.accounts WHERE account_id = 1")
    assert db.value("SELECT (SELECT count(*) FROM herald.senders) + (SELECT count(*) FROM herald.holds WHERE kind = 'sender')") == 0
    player.close()


def test_at_most_fifty_sessions(db):
    load(db, NAME)
    player = Daemon(db)
    for account_id in range(1, 52):
        add_account(db, account_id, connected=False)
    for account_id in range(1, 51):
        db.sql("SELECT campaigns.connect(%s)", account_id)
    with pytest.raises(psycopg2.Error, match="all 50 sessions are in use") as refused:
        db.sql("SELECT campaigns.connect(51)")
    assert refused.value.diag.message_hint.startswith("Disconnect an account")
    db.sql("SELECT campaigns.connect(7)")  # its own session, once more
    db.sql("SELECT campaigns.disconnect(7)")
    db.sql("SELECT * FROM herald.tell('{campaigns-7}', '{well}', '{NULL}', '{NULL}', '{NULL}', '{unpair}')")
    db.sql("SELECT campaigns.connect(51)")
    with pytest.raises(psycopg2.Error, match="there is no account 99"):
        db.sql("SELECT campaigns.connect(99)")
    player.close()


@pytest.mark.parametrize("gateway, account", [("webjs", {"session": "campaigns-1"}), ("waha", {"session": "campaigns-1"}),
                                              ("evolution", {"instance": "campaigns-1"}), ("wppconnect", {"session": "campaigns-1"})])
def test_any_gateway_with_sessions(db, gateway, account):
    load(db, NAME, gateway=gateway, gateway_url="http://127.0.0.1:1")
    add_account(db)
    assert db.sql("SELECT gateway, base_url, account, limits, gap::text, max_in_flight FROM herald.senders") == [
        (gateway, "http://127.0.0.1:1", account, ["100/1 day"], "00:00:03", 1)]
    assert db.sql("SELECT * FROM herald.check()") == []


def test_no_other_systems_rule_is_carried_by_somebodys_own_account(loop):
    add_senders(loop, "office")
    loop.sql("SELECT herald.send('+923000000099', 'for all')")
    player = Daemon(loop)
    assert [claim.sender for claim in player.turn().claims] == ["office"]
    player.close()


# --- with daemon and sandbox ---

@pytest.fixture
def played(db, sandbox, start_daemon):  # noqa: F811
    """Three users with contacts enrolled yesterday, whose hours are all day; a daemon runs, and nobody is connected yet."""
    load(db, NAME, gateway_url=sandbox.url, gateway_gap="10 ms")
    db.sql("UPDATE herald.settings SET value = '50 ms' WHERE name IN ('retry_base', 'retry_cap', 'probe_base', 'probe_cap', 'part_gap')")
    start_daemon(credentials=CREDENTIALS)
    for account_id in (1, 2, 3):
        add_account(db, account_id, connected=False)
        enrol(db, account_id * 10 + 1, account_id * 10 + 2, account_id=account_id, at=db.value("SELECT now() - interval '1 day'"))
    db.sql("UPDATE campaigns.accounts SET opens_at = '00:00', closes_at = '24:00'")
    db.sql("SELECT herald.resume('rule', 'campaigns')")
    wait_until(lambda: db.value("SELECT count(*) FROM whatsapp_notifications") == 6, "day 1 is planned")
    return db


def connect(db, *accounts):
    for account_id in accounts:
        db.sql("SELECT campaigns.connect(%s)", account_id)
    wait_until(lambda: all(connection(db, account_id)[0] == "connected" for account_id in accounts), "they are connected")


def next_day(db):
    """As if a day had passed, once what went out is recorded."""
    wait_until(lambda: db.value("SELECT count(*) FROM whatsapp_notifications WHERE owner IS NOT NULL") == 0, "nothing is in flight")
    db.sql("""UPDATE campaigns.enrolments SET started_at = started_at - interval '1 day';
              UPDATE public.whatsapp_notifications SET sent_at = sent_at - interval '1 day'; SELECT herald.sweep()""")


def test_each_by_their_own_account_and_one_that_drops_stops_nobody_else(played, sandbox):  # noqa: F811
    connect(played, 1, 2, 3)
    assert sorted((m["sender"], m["recipient"][-2:]) for m in sandbox.wait_for(6)) == [(f"campaigns-{a}", f"{a}{n}") for a in (1, 2, 3) for n in (1, 2)]
    sandbox.behave({"disconnected_sessions": ["campaigns-2"]})
    next_day(played)
    assert sorted((m["sender"], m["recipient"][-2:]) for m in sandbox.wait_for(10)[6:]) == [(f"campaigns-{a}", f"{a}{n}") for a in (1, 3) for n in (1, 2)]
    wait_until(lambda: [row[0] for row in problems(played)] == [2], "it is said to the second user, and to nobody else")
    next_day(played)
    sandbox.wait_for(14)
    sandbox.behave()
    wait_until(lambda: connection(played, 2)[0] == "connected", "it is back")
    # Day 2 then, and day 3 on the day after.
    assert sorted((m["sender"], m["recipient"][-2:], m["body"][:9]) for m in sandbox.wait_for(16)[14:]) == [
        ("campaigns-2", "21", "Contact 2"), ("campaigns-2", "22", "Contact 2")]
    assert problems(played) == []
    wait_until(lambda: settled(played), "nothing is left to do")
    assert played.column("SELECT max(split_part(dedup_key, '/', 2)) FROM whatsapp_notifications WHERE dedup_key LIKE '21/%%' AND send_status = 'sent'") == ["2"]
    assert sandbox.figures()["duplicates"] == 0


def test_a_telephone_is_paired_by_the_code_that_the_application_shows_and_logged_out_on_request(played, sandbox):  # noqa: F811
    sandbox.behave({"disconnected_sessions": ["campaigns-1"]})
    played.sql("SELECT campaigns.connect(1)")
    code = wait_until(lambda: connection(played)[1], "there is a code")
    assert connection(played)[0] == "pairing" and sandbox.messages() == []
    sandbox.call("POST", "/sandbox/scan", {"session": "campaigns-1", "code": code})
    wait_until(lambda: connection(played) == ("connected", None, None), "it is connected")
    assert {m["sender"] for m in sandbox.wait_for(2)} == {"campaigns-1"}
    played.sql("SELECT campaigns.disconnect(1)")
    wait_until(lambda: connection(played)[0] == "disconnected", "it is logged out")
    assert sandbox.call("GET", "/sandbox/behaviour")[0]["disconnected_sessions"] == ["campaigns-1"]
    next_day(played)
    wait_until(lambda: played.value("SELECT count(*) FROM whatsapp_notifications WHERE dedup_key LIKE '1_/2'") == 2, "day 2 is planned, and waits")
    assert len(sandbox.messages()) == 2


def test_images_arrive_after_their_text_two_seconds_apart_and_the_next_contact_three_seconds_later(db, start_daemon):  # noqa: F811
    """At the example's own pauses, by the clock of the gateway."""
    ids = itertools.count(1)
    gateway = Hostile({"session": http({"success": True, "state": "CONNECTED", "message": "session_connected"}),
                       "client": lambda request: http({"success": True, "message": {"id": {"_serialized": f"true_{next(ids)}"}}})})
    load(db, NAME, gateway_url=gateway.url)
    start_daemon(credentials=CREDENTIALS)
    add_account(db)
    db.sql("""UPDATE campaigns.accounts SET opens_at = '00:00', closes_at = '24:00';
              UPDATE campaigns.days SET images = '{https://example.org/1.jpg,https://example.org/2.jpg}' WHERE day = 1""")
    enrol(db, 1, 2, at=db.value("SELECT now() - interval '1 day'"))
    db.sql("SELECT herald.resume('rule', 'campaigns')")
    requests = wait_until(lambda: len(gateway.at("client")) >= 6 and gateway.at("client"), "texts and images of both", 40)
    wait_until(lambda: settled(db), "nothing is left to do")
    gateway.stop()
    assert [(r.json["chatId"][10:12], r.json["contentType"], r.json["content"][-5:]) for r in requests] == [
        (who, *what) for who in (requests[0].json["chatId"][10:12], requests[3].json["chatId"][10:12])
        for what in (("string", "ser 1"), ("MessageMediaFromURL", "1.jpg"), ("MessageMediaFromURL", "2.jpg"))]
    assert len({r.json["chatId"] for r in requests}) == 2
    pauses = [later.at - earlier.at for earlier, later in zip(requests, requests[1:])]
    assert min(pauses) > 1.95 and pauses[2] > 2.95, pauses


# --- what its comments show ---

def test_the_statements_shown_in_the_file_work(db):
    load(db, NAME)
    db.sql("DROP ROLE IF EXISTS application; CREATE ROLE application LOGIN")
    player = Daemon(db)
    try:
        for beginning in ("GRANT USAGE", "GRANT SELECT, INSERT", "GRANT SELECT ON campaigns.connections", "GRANT EXECUTE"):
            psql(db, text=commented(NAME, beginning))
        with db.connect("application").cursor() as cursor:
            for beginning in ("INSERT INTO campaigns.accounts", "SELECT campaigns.connect", "SELECT status", "INSERT INTO campaigns.contacts",
                              "INSERT INTO campaigns.enrolments", "UPDATE campaigns.contacts SET paid_at", "UPDATE campaigns.accounts SET enrolment_paused",
                              "UPDATE campaigns.accounts SET sending_paused", "UPDATE campaigns.days", "SELECT c.name", "SELECT * FROM campaigns.problems",
                              "SELECT campaigns.disconnect"):
                cursor.execute(commented(NAME, beginning))
        assert db.value("SELECT body FROM herald.templates WHERE name = 'campaign_day_3'") == "{{name}}, see for yourself:"
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            db.sql("SET ROLE herald_rules; SELECT campaigns.connect(1)")
    finally:
        db.sql("RESET ROLE; DROP OWNED BY application; DROP ROLE application")
        player.close()
    for beginning in ("SELECT herald.drop_rule", "DROP SCHEMA", "DELETE FROM herald.senders", "DELETE FROM herald.channels", "DELETE FROM herald.templates"):
        psql(db, text=commented(NAME, beginning))
    assert db.value("SELECT (SELECT count(*) FROM herald.rules) + (SELECT count(*) FROM herald.senders) + (SELECT count(*) FROM herald.templates)") == 0


def test_thousands_of_contacts_are_looked_at_every_minute(loop):
    for account_id in range(2, 51):
        add_account(loop, account_id)
    loop.sql("""INSERT INTO campaigns.contacts (contact_id, account_id, name, phone) SELECT n, 1 + n % 50, 'C', '+92300' || lpad(n::text, 7, '0') FROM generate_series(1, 20000) n;
                INSERT INTO campaigns.enrolments (contact_id, asked_at) SELECT contact_id, '2026-03-01 12:00+05' FROM campaigns.contacts;
                INSERT INTO whatsapp_notifications (rule, dedup_key, send_status, sent_at, target) SELECT 'campaigns', n || '/' || d, 'sent', '2026-03-01 10:00+05'::timestamptz + make_interval(days => d), '+1'
                  FROM generate_series(1, 20000) n, generate_series(1, 3) d;
                ANALYZE campaigns.contacts; ANALYZE campaigns.enrolments; ANALYZE whatsapp_notifications""")
    done = plan_at(loop, NAME, moment(3, "12:00"))
    assert (done["n_found"], done["took"].total_seconds() < 5) == (0, True), done
    night = plan_at(loop, NAME, moment(4, "03:00"))
    assert (night["n_found"], night["took"].total_seconds() < 2) == (0, True), night
