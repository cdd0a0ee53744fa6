"""Sizes: whatever an application writes, no row is larger than an index or the daemon's memory can take; what is ends with the reason."""

import json

import psycopg2
import pytest

from player import Daemon, add_rule, add_senders, row, send

GROUP = "120363" + "".join(str(n * n % 10) for n in range(12)) + "@g.us"


def noise(db, size):
    """So many bytes of digits that can't be compressed much."""
    return db.value("SELECT left(string_agg(md5(n::text), ''), %s) FROM generate_series(1, %s) n", size, size // 32 + 1)


@pytest.fixture
def daemon(db):
    add_senders(db, "wa")
    player = Daemon(db)
    yield player
    player.close()


def plan_beside_good_ones(db, daemon, **columns):
    """Plans two rows with these columns among good ones, without a key to go round them by; the rows that they became."""
    given = {"recipient": "+8801700000001", "data": "{}", "body": "bad", **columns}
    names = ", ".join(given)
    types = {"data": "jsonb", "media": "jsonb", "not_before": "timestamptz"}
    db.sql(f"CREATE TABLE public.said (dedup_key text, {', '.join(f'{n} {types.get(n, chr(116) + chr(101) + chr(120) + chr(116))}' for n in given)})")
    for key in "ab":
        db.sql(f"INSERT INTO public.said (dedup_key, {names}) VALUES (%s{', %s' * len(given)})", key, *given.values())
    db.sql("INSERT INTO public.said (dedup_key, recipient, data, body) SELECT 'good' || n, '+88018' || lpad(n::text, 8, '0'), '{}', 'good' FROM generate_series(1, 5) n")
    add_rule(db, "r", "SELECT * FROM public.said")
    assert daemon.plan("r")["result"] == "done"
    assert [c.body for c in daemon.turn().claims if c.body == "good"] == ["good"] * 5
    return [row(db, n) for n in db.column("SELECT id FROM whatsapp_notifications WHERE dedup_key IN ('a', 'b') ORDER BY 1")]


@pytest.mark.parametrize("prefix, suffix", [("120363", "@g.us"), ("Y2FwaV9ncm91cD", ""), ("", "@g.us"), ("", "")])
def test_a_group_id_as_long_as_no_group_id_is(db, daemon, prefix, suffix):
    digits = "".join(str(int(c, 16) % 10) for c in noise(db, 9000))
    for made in plan_beside_good_ones(db, daemon, recipient=prefix + digits + suffix):
        assert (made["send_status"], made["target"]) == ("suppressed", None)
        assert "longer than 256 bytes" in made["error"] and len(made["recipient"]) == 300
    with pytest.raises(psycopg2.Error, match="longer than 256 bytes"):
        send(db, prefix + digits + suffix)


def test_an_address_as_long_as_none_is(db, daemon):
    with pytest.raises(psycopg2.errors.CheckViolation):
        db.sql("INSERT INTO herald.recipients (name, kind, address) VALUES ('g', 'group', %s)", noise(db, 257))
    db.sql("INSERT INTO herald.recipients (name, kind, address) VALUES ('g', 'group', %s)", noise(db, 256))
    plan_beside_good_ones(db, daemon, recipient="g")
    assert daemon.turn().claims == [] and db.value("SELECT count(*) FROM whatsapp_notifications WHERE behind") == 1


def test_a_locale_as_long_as_none_is(db, daemon):
    assert [len(made["locale"]) for made in plan_beside_good_ones(db, daemon, locale=noise(db, 1000000))] == [300, 300]


def test_a_time_that_never_comes(db, daemon):
    for made in plan_beside_good_ones(db, daemon, not_before="infinity"):
        assert (made["send_status"], made["error"]) == ("failed", "its not_before is infinity, which never comes")
    with pytest.raises(psycopg2.Error, match="infinity, which never comes"):
        send(db, 1, not_before="infinity")


@pytest.mark.parametrize("column", ["channel", "sender", "template"])
def test_a_name_as_long_as_none_is(db, daemon, column):
    for made in plan_beside_good_ones(db, daemon, **{"body": None, column: noise(db, 9000)}):
        assert (made["send_status"], made["error"]) == ("failed", f"its {column} has a name of more than 256 bytes")
    with pytest.raises(psycopg2.Error, match="can't be sent"):
        db.sql("SELECT herald.retry(id) FROM whatsapp_notifications WHERE dedup_key = 'a'")


@pytest.mark.parametrize("columns, said", [
    ({"body": "x" * 65537}, "its text has more than 65536 bytes"),
    ({"body": "\N{SNOWMAN}" * 22000}, "its text has more than 65536 bytes"),
    ({"data": json.dumps({"x": list(range(100000))})}, "its data takes more than 262144 bytes"),
    ({"body": None, "template": "twice", "data": json.dumps({"x": "x" * 33000})}, "its text has more than 65536 bytes"),
    ({"body": None, "template": "known", "data": json.dumps({"x": "x" * 70000})}, "its template's parameters have more than 65536 bytes"),
])
def test_what_is_too_large_fails_with_the_limit(db, daemon, columns, said):
    db.sql("INSERT INTO herald.templates (name, body, gateway_name, parameters) VALUES ('twice', '{{x}}{{x}}', NULL, '{}'), ('known', 'k', 'k', '{x}')")
    for made in plan_beside_good_ones(db, daemon, **columns):
        assert (made["send_status"], made["error"], made["next_at"]) == ("failed", said, None)
        assert len(made["body"] or "") < 10
    with pytest.raises(psycopg2.Error, match=said):
        db.sql("SELECT herald.send('+8801700000001', %s, template => %s, data => %s)",
               None if "template" in columns else columns.get("body", "b"), columns.get("template"), columns.get("data", "{}"))


def test_what_is_just_not_too_large_is_sent(db, daemon):
    plan_beside_good_ones(db, daemon, body="x" * 65536, data=json.dumps({"x": "x" * 200000}))
    assert send(db, 7, "x" * 65536)
    assert [len(c.body) for c in daemon.turn().claims] == [65536]


def test_media_without_measure(db, daemon):
    image = {"type": "image", "url": "https://example.org/1.jpg"}
    ident = db.value("SELECT herald.send('+8801700000001', 'look', media => %s)", json.dumps([{**image, "caption": "x" * 9000}] + [image] * 99))
    made = db.sql("SELECT send_status, error FROM whatsapp_notifications WHERE part_of = %s ORDER BY id", ident)
    assert made[0] == ("failed", "its media is described in more than 8192 bytes")
    assert made[1:30] == [("pending", None)] * 29
    assert made[30:] == [("failed", "a message has at most 30 media, and this one has 100")]
    with pytest.raises(psycopg2.Error, match="its media is not kept"):
        db.sql("SELECT herald.retry(id) FROM whatsapp_notifications WHERE error LIKE 'its media is described%'")
