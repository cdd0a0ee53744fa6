"""Who keeps a transaction open on one row keeps nothing from being sent: not what faces the network, nor an operator, nor a reader."""

import contextlib
import signal
import time

import pytest

from conftest import wait_until
from daemon import start_daemon  # noqa: F811, F401 (fixture)
from load import CREDENTIALS, Application, receiving
from player import Daemon, accepted, add_rule, add_senders, login, rejected, send, wait

LATENCY_MS = 1000


@contextlib.contextmanager
def keeping_open(db, role, statement, *parameters):
    """A transaction of that role that has run the statement, and stays open."""
    connection = db.connect(login(db.cluster, role))
    connection.autocommit = False
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
        yield connection
        connection.commit()
    finally:
        connection.close()


RECEIVE = """SELECT * FROM herald.receive('{cloud}', ARRAY[(SELECT concat_ws(' ', app_secret, account) FROM herald.web_senders() LIMIT 1)], '{x}', ARRAY[%s::bigint],
                                          '{NULL}', '{delivered}', '{NULL}', '{NULL}')"""


@pytest.fixture
def app(db):
    with receiving(LATENCY_MS) as sink:
        application = Application(db, sink)
        db.sql("""UPDATE herald.senders SET account = account || '{"app_secret": "app", "verify_token": "verify"}'""")
        yield application


def in_flight(app):
    """A message whose request has left and has no answer yet; its row's id."""
    app.insert(1)
    return wait_until(lambda: app.db.value("SELECT id FROM whatsapp_notifications WHERE send_status = 'sending'"), "a message in flight")


def test_what_faces_the_network_stops_nobody(app, start_daemon):  # noqa: F811
    daemon = start_daemon(credentials=CREDENTIALS, log_level="info")
    locked = in_flight(app)
    with keeping_open(app.db, "herald_web", RECEIVE, locked):
        app.wait_for(app.insert(20), 4)
        wait_until(lambda: app.db.value("SELECT count(*) FROM whatsapp_notifications WHERE send_status = 'sent'") == 20, "the others, recorded", 3)
        assert app.db.value("SELECT send_status FROM whatsapp_notifications WHERE id = %s", locked) == "sending"
    wait_until(lambda: app.db.value("SELECT send_status FROM whatsapp_notifications WHERE id = %s", locked) == "sent", "the locked one, recorded")
    assert len(app.arrivals()) == 21 and "a turn failed" not in daemon.output()
    assert daemon.stop() == 0


def test_a_part_that_is_locked_keeps_its_message_waiting_and_no_other(app, start_daemon):  # noqa: F811
    """An operator cancels the image of a message that is in flight, and does not commit."""
    db = app.db
    daemon = start_daemon(credentials=CREDENTIALS, log_level="info")
    ident = db.value("SELECT herald.send('+8801799999999', '0 with an image', media => '[{\"type\": \"image\", \"url\": \"https://example.org/1.jpg\"}]')")
    wait_until(lambda: db.value("SELECT send_status FROM whatsapp_notifications WHERE id = %s", ident) == "sending", "it is in flight")
    part = db.value("SELECT id FROM whatsapp_notifications WHERE part_of = %s", ident)
    with keeping_open(db, "herald_operator", "SELECT herald.cancel(%s)", part):
        app.wait_for(app.insert(5), 4)
    wait_until(lambda: db.value("SELECT send_status FROM whatsapp_notifications WHERE id = %s", ident) == "sent", "the message, recorded")
    assert "a turn failed" not in daemon.output()


def test_one_that_waits_behind_and_is_locked_goes_later(app, start_daemon):  # noqa: F811
    db = app.db
    daemon = start_daemon(credentials=CREDENTIALS, log_level="info")
    first = db.value("SELECT herald.send('+8801799999999', '0 first')")
    wait_until(lambda: db.value("SELECT send_status FROM whatsapp_notifications WHERE id = %s", first) == "sending", "it is in flight")
    behind = db.value("SELECT herald.send('+8801799999999', '0 second')")
    wait_until(lambda: db.value("SELECT behind FROM whatsapp_notifications WHERE id = %s", behind), "the second waits behind it")
    with keeping_open(db, "herald_operator", "SELECT herald.cancel(%s)", behind):
        app.wait_for(app.insert(5), 4)
        wait_until(lambda: db.value("SELECT send_status FROM whatsapp_notifications WHERE id = %s", first) == "sent", "the first, recorded", 3)
    assert "a turn failed" not in daemon.output()


TEMPLATE = """SELECT herald.hear('{template}', '{NULL}', '{NULL}', '{stuck_v1}', '{APPROVED}', '{en}', '{NULL}')"""


@pytest.mark.parametrize("role, statement", [("herald_web", TEMPLATE), ("herald_operator", "SELECT herald.resume('recipient', '+8801799999999')"),
                                             ("herald_operator", "SELECT herald.resume('template', 'stuck')")])
def test_what_wakes_messages_holds_up_no_claim(app, start_daemon, role, statement):  # noqa: F811
    db = app.db
    db.sql("INSERT INTO herald.templates (name, body, gateway_name) VALUES ('stuck', 'b', 'stuck_v1')")
    db.sql("SELECT herald.pause('recipient', '+8801799999999'), herald.pause('template', 'stuck')")
    waiting = db.value("SELECT herald.send('+8801799999999', NULL, template => 'stuck')")
    daemon = start_daemon(credentials=CREDENTIALS, log_level="info")
    wait_until(lambda: db.value("SELECT next_at = 'infinity' FROM whatsapp_notifications WHERE id = %s", waiting), "it is deferred")
    with keeping_open(db, role, statement):
        app.wait_for(app.insert(5), 4)
    db.sql("SELECT herald.resume('recipient', '+8801799999999'), herald.resume('template', 'stuck')")
    wait_until(lambda: db.value("SELECT send_status FROM whatsapp_notifications WHERE id = %s", waiting) == "sent", "it is woken, and sent")
    assert "a turn failed" not in daemon.output()


def test_a_daemon_joins_though_a_row_of_its_predecessor_is_locked(app, start_daemon):  # noqa: F811
    """What it can't settle now is left to the end of its lease."""
    first = start_daemon(credentials=CREDENTIALS, log_level="info")
    locked = in_flight(app)
    with keeping_open(app.db, "herald_web", RECEIVE, locked):
        first.stop(signal.SIGKILL)
        start_daemon(credentials=CREDENTIALS, log_level="info")
        app.wait_for(app.insert(5), 4)
        assert app.db.value("SELECT send_status FROM whatsapp_notifications WHERE id = %s", locked) == "sending"


def test_a_receipt_that_is_not_committed_keeps_no_claim_waiting(db):
    """Of a sender that must acknowledge, and has a gap between two messages."""
    add_senders(db, "x", gateway="wppconnect", account='{"session": "x", "webhook_secret": "s"}', gap="1 ms", limits="{}", max_in_flight=9)
    player = Daemon(db)
    send(db, 1)
    player.turn(accepted(player.turn().claims[0], "m1"))
    with keeping_open(db, "herald_web", """SELECT * FROM herald.receive('{wppconnect}', '{s x}', '{m1}', '{NULL}', '{NULL}', '{delivered}', '{NULL}',
                                                                       '{NULL}')"""):
        assert db.value("SELECT count(*) FROM pg_locks WHERE relation = 'herald.acknowledgements'::regclass AND mode = 'RowExclusiveLock'") == 1
        second = send(db, 2)
        begun = time.monotonic()
        player.turn(accepted(player.turn().claims[0], "m2"))
        assert time.monotonic() - begun < 0.7
        assert db.value("SELECT send_status FROM whatsapp_notifications WHERE id = %s", second) == "sent"
    player.close()


@pytest.mark.parametrize("options", [{"recheck": True}, {"digest": "1 s", "digest_template": "all"}], ids=["confirmed", "gathered"])
def test_what_somebody_has_locked_keeps_no_planner_waiting(db, options):
    """An operator's cancellation that is not committed, of a message that its source is to confirm, or that is told with others."""
    add_senders(db, "x", limits="{}", gap="0", max_in_flight=99)
    db.sql("INSERT INTO herald.templates (name, body) VALUES ('all', '{{count}}')")
    add_rule(db, "r", "SELECT n::text AS dedup_key, '+88017' || lpad((n % 2)::text, 8, '0') AS recipient, '{}'::jsonb AS data, 'x' AS body FROM generate_series(1, 4) n",
             **options)
    player = Daemon(db)
    player.limit(10)
    player.plan("r")
    db.sql("UPDATE whatsapp_notifications SET created_at = clock_timestamp() - interval '1 hour', next_at = clock_timestamp()")
    locked = db.value("SELECT max(id) FROM whatsapp_notifications")
    assert player.turn().claims == []
    with keeping_open(db, "herald_operator", "SELECT herald.cancel(%s)", locked):
        begun = time.monotonic()
        assert player.plan("r", "events")["result"] == "done"
        assert time.monotonic() - begun < 0.7
        assert len(player.turn().claims) == 2
    assert db.value("SELECT send_status FROM whatsapp_notifications WHERE id = %s", locked) == "cancelled"
    player.close()


STOP = """SELECT herald.hear('{text}', '{cloud}', ARRAY[(SELECT concat_ws(' ', app_secret, account) FROM herald.web_senders() LIMIT 1)], '{8801799999999}', '{STOP}', '{NULL}', '{NULL}')"""
REJECTED = """SELECT herald.hear('{template}', '{cloud}', '{app}', '{stuck_v1}', '{REJECTED}', '{en}', '{NULL}')"""


@pytest.mark.parametrize("statement, outcome, status", [
    (STOP, lambda claim: rejected(claim, "they want no messages", scope="recipient"), "suppressed"),
    (REJECTED, lambda claim: wait(claim, "template"), "pending")], ids=["an opt-out", "a template"])
def test_a_hold_that_is_not_committed_keeps_no_outcome_waiting(db, statement, outcome, status):
    add_senders(db, "x", gateway="cloud", account='{"phone_number_id": "1", "app_secret": "app"}', max_in_flight=9)
    db.sql("INSERT INTO herald.templates (name, body, gateway_name) VALUES ('stuck', 'b', 'stuck_v1')")
    player = Daemon(db)
    player.limit(10)
    ident = send(db, "+8801799999999", None, template="stuck")
    claim, = player.turn().claims
    with keeping_open(db, "herald_web", statement):
        assert not db.sql("SELECT 1 FROM herald.holds")
        begun = time.monotonic()
        player.turn(outcome(claim))
        assert time.monotonic() - begun < 0.7
        assert db.value("SELECT send_status FROM whatsapp_notifications WHERE id = %s", ident) == status
    assert db.value("SELECT count(*) FROM herald.holds") == 1
    player.close()


@pytest.mark.parametrize("statement", ["SELECT herald.sweep('bench')", "SELECT herald.resume('rule', 'bench')"])
def test_a_daemon_starts_though_an_operator_has_a_rule_open(app, start_daemon, statement):  # noqa: F811
    with keeping_open(app.db, "herald_operator", statement):
        start_daemon(credentials=CREDENTIALS, log_level="info")
        app.wait_for(app.insert(5), 4)


def test_notifications_of_strangers_break_no_connection(app, start_daemon):  # noqa: F811
    """Sixty megabytes, of a role that may do nothing but connect."""
    daemon = start_daemon(credentials=CREDENTIALS, log_level="info")
    app.db.cluster.sql("DO $$ BEGIN IF to_regrole('stranger') IS NULL THEN CREATE ROLE stranger LOGIN; END IF; END $$")
    with app.db.connect("stranger") as stranger, stranger.cursor() as cursor:
        cursor.execute("SELECT count(pg_notify('herald', i || repeat('x', 7900))) FROM generate_series(1, 8000) i")
    app.wait_for(app.insert(5), 20)
    assert "the database is away" not in daemon.output() and daemon.memory_mb("VmHWM") < 56
