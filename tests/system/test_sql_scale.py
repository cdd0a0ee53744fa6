"""What others have asked for, however much, costs a message nothing: opt-outs, quiet hours, locks that anybody may take."""

import psycopg2
import pytest

from player import Daemon, add_rule, add_senders, send

MANY = 20000


@pytest.fixture
def daemon(db):
    add_senders(db, "wa")
    player = Daemon(db)
    yield player
    player.close()


def entries_read(db, daemon, table):
    """How many entries of the table's indexes, and rows of itself, a turn reads that claims what is due."""
    connection = db.connect()
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT count(*) FILTER (WHERE what = 'claim') FROM herald.turn(%s, 100, '{}','{}','{}','{}','{}','{}','{}','{}','{}')",
                       (daemon.incarnation,))
        claimed, = cursor.fetchone()
        cursor.execute("""SELECT pg_stat_get_xact_tuples_returned(%s::regclass)
                               + (SELECT sum(pg_stat_get_xact_tuples_returned(i.indexrelid)) FROM pg_index i WHERE i.indrelid = %s::regclass)""",
                       (table, table))
        read, = cursor.fetchone()
        cursor.execute("ROLLBACK")
    connection.close()
    return claimed, read


@pytest.mark.parametrize("analyzed", [False, True])
def test_opt_outs(db, daemon, analyzed):
    db.sql("INSERT INTO herald.holds (kind, name, cause, reason) SELECT 'recipient', '+88018' || lpad(n::text, 8, '0'), 'opt-out', 'STOP' FROM generate_series(1, %s) n", MANY)
    if analyzed:
        db.sql("ANALYZE herald.holds")
    for n in range(10):
        send(db, n)
    claimed, read = entries_read(db, daemon, "herald.holds")
    assert claimed == 10 and read < 100
    db.sql("SELECT herald.pause('recipient', '+8801700000003')")
    claimed, read = entries_read(db, daemon, "herald.holds")
    assert claimed == 9 and read < 100


@pytest.mark.parametrize("analyzed", [False, True])
def test_quiet_hours(db, daemon, analyzed):
    db.sql("""INSERT INTO herald.recipients (name, address, quiet_hours)
              SELECT 'p' || n, '+88018' || lpad(n::text, 8, '0'), '22:00-07:00' FROM generate_series(1, %s) n""", MANY)
    if analyzed:
        db.sql("ANALYZE herald.recipients")
    for n in range(10):
        send(db, n)
    claimed, read = entries_read(db, daemon, "herald.recipients")
    assert claimed == 10 and read < 100


@pytest.fixture
def stranger(db, cluster):
    """What a role that may do nothing but connect runs, until the test is over."""
    cluster.sql("DO $$ BEGIN IF to_regrole('login_nobody') IS NULL THEN CREATE ROLE login_nobody LOGIN; END IF; END $$")
    connection = db.connect("login_nobody")
    yield connection.cursor().execute
    connection.close()


def test_who_may_connect_can_not_keep_claims_waiting(db, daemon, stranger):
    stranger("SELECT pg_advisory_lock(hashtext('herald'), hashtext('claim')), pg_advisory_lock(hashtext('herald.plan'), hashtext('ones'))")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        stranger("BEGIN; LOCK TABLE herald.claim_lock IN ACCESS SHARE MODE")
    add_rule(db, "ones", "SELECT '1' AS dedup_key, '+8801700000001' AS recipient, '{}'::jsonb AS data, 'one' AS body")
    daemon.work()
    assert [c.body for c in daemon.turn().claims] == ["one"]


def test_nor_a_daemon_from_starting(db, daemon, stranger):
    daemon.close()  # without a farewell, as one that was killed
    stranger("SELECT pg_advisory_lock(hashtext('herald.node'), hashtext('node-1'))")
    db.sql("UPDATE herald.incarnations SET pid = 4711")
    Daemon(db).close()


def test_priorities(db, daemon):
    """Of a view that reckons them: each message goes by the nearest of a hundred, and the next rule has its own."""
    add_rule(db, "late", """SELECT n AS key, n::text AS dedup_key, '+8801700' || lpad(n::text, 6, '0') AS recipient, '{}'::jsonb AS data,
                                   'x' AS body, n * 10 AS priority FROM generate_series(1, 300) n""")
    add_rule(db, "other", "SELECT 1 AS key, '1' AS dedup_key, '+8801799999999' AS recipient, '{}'::jsonb AS data, 'x' AS body, 7 AS priority")
    for rule in "late", "other":
        assert db.value("SELECT result FROM herald.plan(%s, 'sweep', 500)", rule) == "done"
    assert db.sql("SELECT rule, count(*) FROM herald.lanes GROUP BY rule ORDER BY rule") == [("late", 100), ("other", 1)]
    assert db.value("""SELECT max(abs(l.priority - n.dedup_key::int * 10)) FROM whatsapp_notifications n JOIN herald.lanes l ON l.id = n.lane
                        WHERE n.rule = 'late' AND n.dedup_key::int <= 100""") == 0
    assert db.column("""SELECT DISTINCT l.priority FROM whatsapp_notifications n JOIN herald.lanes l ON l.id = n.lane
                         WHERE n.rule = 'late' AND n.dedup_key::int > 100""") == [1000]
    assert len(daemon.turn(room=400).claims) == 301
