"""One bad row among ten thousand: the others are sent, each once, and the bad one ends in a state that says why."""

import collections

import pytest

from conftest import wait_until
from daemon import start_daemon  # noqa: F401 (fixture)
from hostile import Answer, Hostile, http
from load import CREDENTIALS, Application, receiving
from player import add_rule, add_senders, row, send

ROWS = 10_000
POISON = 7_001


def nothing_waits(app, rows):
    """Whether so many rows were planned, and none of them is on its way."""
    return app.db.value("""SELECT NOT EXISTS (SELECT FROM herald.events)
                              AND NOT EXISTS (SELECT FROM whatsapp_notifications WHERE owner IS NOT NULL OR next_at IS NOT NULL)
                              AND (SELECT count(*) FROM whatsapp_notifications) = %s""", rows)


def poison_the_view(db):
    """From now on the view can't be evaluated for one of its rows."""
    db.sql("""CREATE OR REPLACE VIEW readings_due AS
              SELECT id::text AS dedup_key, '+88017' || lpad(id::text, 8, '0') AS recipient,
                     jsonb_build_object('id', id, 'created_usec', created_usec + 0 / (id - %s)) AS data, id AS key FROM readings""", POISON)


@pytest.mark.parametrize("way", ["captured", "swept"])
def test_a_row_that_cannot_be_evaluated(db, start_daemon, way):  # noqa: F811
    with receiving() as sink:
        app = Application(db, sink)
        poison_the_view(db)
        daemon = start_daemon(credentials=CREDENTIALS, log_level="info")
        wait_until(lambda: db.value("SELECT swept_at FROM herald.rules"), "the first sweep")
        if way == "swept":
            db.sql("ALTER TABLE readings DISABLE TRIGGER ALL")
        app.insert(ROWS)
        if way == "swept":
            db.sql("SELECT herald.sweep('bench')")
        wait_until(lambda: nothing_waits(app, ROWS - 1), "all the others", 60)
        assert app.counts() == {"sent": ROWS - 1}
        assert sorted(app.arrivals()) == [n for n in range(1, ROWS + 1) if n != POISON]
        assert db.column("SELECT key FROM herald.set_aside") == [str(POISON)]
        assert "division by zero" in db.value("SELECT error FROM herald.set_aside")
        wait_until(lambda: "1 keys of this rule could not be evaluated" in daemon.output(), "the warning")


ACCEPTED = b'{"messages":[{"id":"wamid.%s"}]}'
ANSWERS = {
    1001: http(ACCEPTED % b"a\\u0000b"),
    2002: http(ACCEPTED % b"\xff\xfe\xed\xa0\x80"),
    3003: http(ACCEPTED % (b"x" * 5_000_000)),
    4004: None,  # the connection ends without a word
    5005: http(b'{"error":{"message":"\\u0000","code":131026}}', 400),
    6006: Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", close=True),
    POISON: http(b"[" * 200_000),
}
STATES = {row: "in_doubt" for row in ANSWERS} | {5005: "failed"}


def test_answers_that_nobody_could_keep(db, start_daemon):  # noqa: F811
    """NUL, bytes that are no UTF-8, megabytes, and connections that break every time, among ten thousand that are well."""
    def answer(request):
        if request.method == "GET":  # how is it?
            return http({"id": "100000000000001", "status": "CONNECTED"})
        row = int(request.json["text"]["body"].split(" ")[0])
        return ANSWERS[row] if row in ANSWERS else http(ACCEPTED % b"%d" % row)

    hostile = Hostile({"cloud": answer})
    try:
        app = Application(db, hostile)
        db.sql("UPDATE herald.senders SET base_url = %s", f"{hostile.url}/cloud")
        db.sql("UPDATE herald.settings SET value = '20 ms' WHERE name IN ('retry_base', 'retry_cap', 'probe_base', 'probe_cap')")
        daemon = start_daemon(credentials=CREDENTIALS, max_in_flight=16, log_level="warning")
        app.insert(ROWS)
        wait_until(lambda: nothing_waits(app, ROWS), "everything settled", 60)
        assert app.counts() == {"sent": ROWS - len(ANSWERS), "in_doubt": len(ANSWERS) - 1, "failed": 1}
        assert dict(db.sql("SELECT dedup_key::int, send_status FROM whatsapp_notifications WHERE send_status <> 'sent'")) == STATES
        assert db.value("SELECT bool_and(error <> '') FROM whatsapp_notifications WHERE send_status <> 'sent'")
        came = [int(request.json["text"]["body"].split(" ")[0]) for request in hostile.at("cloud") if request.method == "POST"]
        # In doubt is sent again, as the rule has it, and no more often than its row says.
        times = dict(db.sql("SELECT dedup_key::int, 1 + resends FROM whatsapp_notifications"))
        assert collections.Counter(came) == times
        assert max(times.values()) <= 11 and times[5005] == 1
        assert daemon.stop() == 0, daemon.output()
    finally:
        hostile.stop()


def template_is_paused(request):
    """A gateway that speaks of a template where a text was sent."""
    if request.method == "GET":
        return http({"id": "100000000000001", "status": "CONNECTED"})
    if request.json["text"]["body"] == "bad":
        return http({"error": {"message": "Template is paused", "code": 132015}}, 400)
    return http(ACCEPTED % b"1")


@pytest.fixture
def cloud(db):
    """A sender of a gateway that answers as template_is_paused() has it."""
    hostile = Hostile({"cloud": template_is_paused})
    add_senders(db, "wa", gateway="cloud", base_url=f"{hostile.url}/cloud", account='{"phone_number_id": "1"}', credential="bench")
    yield hostile
    hostile.stop()


def test_a_gateway_that_speaks_of_a_template_where_there_is_none(db, start_daemon, cloud):  # noqa: F811
    daemon = start_daemon(credentials=CREDENTIALS)
    ident = send(db, 1, "bad")
    wait_until(lambda: row(db, ident)["error"], "its outcome")
    others = [send(db, n, "good") for n in range(2, 12)]
    wait_until(lambda: {row(db, i)["send_status"] for i in others} == {"sent"}, "the others")
    assert (row(db, ident)["send_status"], row(db, ident)["attempts"]) == ("pending", 1)
    assert db.sql("SELECT kind FROM herald.holds") == [] and "a turn failed" not in daemon.output()


REFUSE = """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN IF NEW.body = 'poison' THEN RAISE 'not this one' USING ERRCODE = %s; END IF; RETURN NEW; END $$;
            CREATE TRIGGER refuse BEFORE UPDATE ON whatsapp_notifications
                FOR EACH ROW WHEN (NEW.send_status = 'sent') EXECUTE FUNCTION refuse()"""


def test_an_outcome_that_cannot_be_recorded_stops_no_other(db, start_daemon, cloud):  # noqa: F811
    db.sql(REFUSE, "23514")
    daemon = start_daemon(credentials=CREDENTIALS)
    poison = send(db, 1, "poison")
    wait_until(lambda: row(db, poison)["error"], "its outcome")
    others = [send(db, n, "good") for n in range(2, 12)]
    wait_until(lambda: {row(db, i)["send_status"] for i in others} == {"sent"}, "the others")
    kept = row(db, poison)
    assert (kept["send_status"], kept["error"]) == ("in_doubt", "what became of it (accepted) could not be recorded: SQLSTATE 23514")
    assert f"what became of message {poison} (accepted) can't be recorded (SQLSTATE 23514)" in daemon.output()


def test_what_cannot_be_recorded_for_the_servers_sake_is_kept_until_it_can(db, start_daemon, cloud):  # noqa: F811
    db.sql(REFUSE, "53100")
    daemon = start_daemon(credentials=CREDENTIALS)
    # In one statement, so that one turn claims both: the next one fails.
    idents = list(db.sql("SELECT herald.send('+8801700000001', 'poison'), herald.send('+8801700000002', 'poison')")[0])
    wait_until(lambda: "a turn failed" in daemon.output(), "trouble")
    others = [send(db, n, "good") for n in range(3, 5)]
    wait_until(lambda: len(cloud.at("cloud")) >= 2, "both sent")
    db.sql("DROP TRIGGER refuse ON whatsapp_notifications")
    wait_until(lambda: {row(db, i)["send_status"] for i in idents + others} == {"sent"}, "all recorded")
    assert db.sql("SELECT outcome FROM herald.attempts") == []


def test_a_key_that_takes_longer_than_the_time_limit(db, start_daemon, cloud):  # noqa: F811
    db.sql("CREATE TABLE reading (id int PRIMARY KEY)")
    add_rule(db, "r", "SELECT id AS key, id::text AS dedup_key, '+88017' || lpad(id::text, 8, '0') AS recipient, '{}'::jsonb AS data,"
             " 'b' || coalesce((SELECT '' FROM pg_sleep(60) WHERE id = 30), '') AS body FROM reading", time_limit="1 s")
    db.sql("SELECT herald.watch('reading', 'r')")
    start_daemon(credentials=CREDENTIALS)
    wait_until(lambda: db.value("SELECT swept_at IS NOT NULL FROM herald.rules"), "swept")
    db.sql("INSERT INTO reading SELECT generate_series(1, 100)")
    wait_until(lambda: db.value("SELECT count(*) FROM whatsapp_notifications WHERE send_status = 'sent'") == 99, "the others", 60)
    assert db.sql("SELECT key, error FROM herald.set_aside") == [("30", "it took longer than time_limit, 00:00:01")]
    assert db.value("SELECT count(*) FROM herald.events") == 0
