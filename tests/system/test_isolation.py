"""A gateway that hangs, and one that is dead, beside one that works: the one holds no more places than are its own, the other none, and
the messages of the third all flow. `make bench` says how fast."""

import threading

import pytest

from conftest import free_port, wait_until
from daemon import start_daemon  # noqa: F401 (fixture)
from hostile import Hostile
from load import CREDENTIALS, Application, receiving

PLACES = 16  # of the daemon


@pytest.fixture
def hanging():
    """Answers nothing, and hangs up when the test is over."""
    server = Hostile({"hangs": lambda request: server.over.wait() and None})
    server.over = threading.Event()
    yield server
    server.over.set()
    server.stop()


@pytest.fixture
def app(db, hanging):
    with receiving() as sink:
        app = Application(db, sink)
        for name, url in (("hanging", f"{hanging.url}/hangs"), ("dead", f"http://127.0.0.1:{free_port()}")):
            db.sql("""INSERT INTO herald.senders (name, gateway, base_url, account, credential, limits, gap)
                      VALUES (%s, 'cloud', %s, '{"phone_number_id": "1"}', 'bench', '{}', '0')""", name, url)
        db.sql("UPDATE herald.senders SET limits = '{}', gap = '0'")
        # The rule's messages leave by the sender that works, and by no other.
        db.sql("SELECT herald.add_rule('bench', 'readings_due', 'bench', sender => 'bench', flood_limit => 1000000)")
        yield app


def send_many(db, sender, count):
    db.sql("SELECT count(herald.send('+88019' || to_char(n, 'FM00000000'), 'hello', sender => %s)) FROM generate_series(1, %s) n", sender, count)


@pytest.mark.parametrize("own_places, held", [(5, 5), (1000, PLACES // 2)], ids=["its own limit", "half of the daemon's"])
def test_a_gateway_that_hangs_holds_its_own_places_only(db, app, hanging, start_daemon, own_places, held):  # noqa: F811
    db.sql("UPDATE herald.senders SET max_in_flight = %s", own_places)
    for name in "hanging", "dead":
        send_many(db, name, 200)
    daemon = start_daemon(credentials=CREDENTIALS, max_in_flight=PLACES, log_level="warning")
    wait_until(lambda: len(hanging.requests) == held, f"{held} requests that hang")
    wait_until(lambda: db.value("SELECT count(*) FROM herald.holds WHERE name = 'dead'"), "the dead one is held")
    app.wait_for(app.insert(1000))
    assert app.repeats() == {}
    # All of that time: it was never more.
    assert len(hanging.requests) == held
    flying = "SELECT sender, count(*) FROM whatsapp_notifications WHERE owner IS NOT NULL GROUP BY sender"
    wait_until(lambda: db.sql(flying) == [("hanging", held)], "the others' answers recorded")
    hanging.over.set()
    assert daemon.stop() == 0
