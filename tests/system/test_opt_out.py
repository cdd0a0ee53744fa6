"""What people say to webhooks: opt-outs and opt-ins, typed or chosen in WhatsApp, through pgherald web into the database."""

import itertools
import random
import threading
import time

import pytest

from player import accepted, add_rule, login, rejected, send
from test_web import NUMBER, OTHER_APP_SECRET, PATH_SECRET, status, webhook, world  # noqa: F401 (a fixture)

PERSON = "8801711000001"
MOMENT = int(time.time()) - 3600
people = itertools.count(8801800000000)

pytestmark = pytest.mark.sanitize


@pytest.fixture
def person():
    """A number of somebody who was never heard of, as WhatsApp writes it."""
    return str(next(people))


def hook(field, value, time_sec=None, number=NUMBER):
    """A webhook of one change."""
    entry = {"id": "102290129340398", "changes": [{"field": field, "value": {
        "messaging_product": "whatsapp", "metadata": {"display_phone_number": "15550783881", "phone_number_id": number}, **value}}]}
    return {"object": "whatsapp_business_account", "entry": [entry if time_sec is None else {**entry, "time": time_sec}]}


def preference(person, value, at=MOMENT, category="marketing_messages"):
    return {"wa_id": person, "detail": "User requested", "category": category, "value": value, "timestamp": at}


def preferences(*of, **more):
    return hook("user_preferences", {"user_preferences": list(of)}, **more)


def typed(person, text, at=MOMENT, **more):
    return {"from": person, "id": "wamid.in", "timestamp": str(at), "type": "text", "text": {"body": text}, **more}


def messages(*of, **more):
    return hook("messages", {"contacts": [{"profile": {"name": "Ada"}, "wa_id": PERSON}], "messages": list(of)}, **more)


def onmessage(person, text, **more):
    return {"event": "onmessage", "session": "alerts", "id": f"false_{person}@c.us_3EB0", "from": f"{person}@c.us", "to": "x@c.us", "type": "chat",
            "body": text, "t": MOMENT, "fromMe": False, "isGroupMsg": False, **more}


def has_opted_out(world, person):  # noqa: F811
    return world.db.value("SELECT count(*) = 1 FROM herald.holds WHERE kind = 'recipient' AND cause = 'opt-out' AND name = %s", f"+{person}")


def tell(world, *hooks):  # noqa: F811
    for one in hooks:
        assert world.web.post_cloud(one) == 200


def test_a_choice_in_whatsapp(world, person):
    for at in MOMENT, MOMENT + 5:
        tell(world, preferences(preference(person, "stop", at)))
        assert world.db.row("SELECT reason, who, extract(epoch FROM since)::int AS since, until FROM herald.holds WHERE name = %s", f"+{person}") == {
            "reason": "asked WhatsApp for no more marketing messages", "who": f"cloud app {NUMBER}", "since": MOMENT, "until": None}
    tell(world, preferences(preference(person, "resume", MOMENT + 6)))
    assert not has_opted_out(world, person)


def test_choices_that_are_none(world, person):
    tell(world, preferences(preference(person, "stop", category="service_messages"), preference(person, "pause"), preference("", "stop"),
                            preference("abc", "stop"), preference("0", "stop"), preference("1" * 500, "stop"), {}, None, 5),
         preferences(preference(person, "stop"), number="999"), preferences(preference(person, "stop"), number=""))
    assert world.web.post_cloud(preferences(preference(person, "stop")), secret=OTHER_APP_SECRET) == 200
    assert not has_opted_out(world, person)
    assert world.web.post_cloud(preferences(preference(person, "stop")), secret="forged") == 401
    assert not has_opted_out(world, person)


@pytest.mark.parametrize("stop, start", [("STOP", "START"), (" stop\r\n", "\tstart "), ("Unsubscribe", "SubScribe")])
def test_a_typed_word(world, person, stop, start):
    tell(world, messages(typed(person, stop)))
    assert has_opted_out(world, person)
    assert world.db.value("SELECT reason FROM herald.holds WHERE name = %s", f"+{person}") == "typed a stop word"
    tell(world, messages(typed(person, start, MOMENT + 1)))
    assert not has_opted_out(world, person)


def test_what_is_typed_otherwise_is_nothing(world, person):
    tell(world, *(messages(typed(person, text)) for text in ("please stop", "STOP.", "ST OP", "", " ", ",", "stop, unsubscribe", "x" * 5000, "%", "'; --")),
         messages(typed(person, "STOP", group_id="Y2FwaV9ncm91cDox")), messages({**typed(person, "STOP"), "type": "image"}),
         messages(typed(person, "STOP"), number="999"))
    assert not has_opted_out(world, person)
    assert world.db.value("SELECT count(*) FROM herald.heard WHERE name = %s", f"+{person}") == 0


@pytest.mark.parametrize("words, text, counts", [
    ("বন্ধ, СТОП", "বন্ধ", True), ("বন্ধ, СТОП", "стоп", True), ("no more", "No More", True), ("a,,b", "b", True), ("a,,b", "stop", False), ("", "stop", False),
    (" , ", " , ", False)])
def test_the_words_are_settings(world, person, words, text, counts):
    before = world.db.value("SELECT value FROM herald.settings WHERE name = 'stop_words'")
    assert before == "STOP, UNSUBSCRIBE"
    world.db.sql("UPDATE herald.settings SET value = %s WHERE name = 'stop_words'", words)
    try:
        tell(world, messages(typed(person, text)))
    finally:
        world.db.sql("UPDATE herald.settings SET value = %s WHERE name = 'stop_words'", before)
    assert has_opted_out(world, person) == counts


def test_the_last_that_was_said_counts_whenever_it_comes(world, person):
    said = [preferences(preference(person, "stop", MOMENT)), messages(typed(person, "START", MOMENT + 10)), messages(typed(person, "STOP", MOMENT + 20)),
            preferences(preference(person, "resume", MOMENT + 30))]
    for last in range(1, 5):
        for seed in range(4):
            order = said[:last] * 2
            random.Random(seed).shuffle(order)
            world.db.sql("DELETE FROM herald.heard; DELETE FROM herald.holds")
            tell(world, *order)
            assert has_opted_out(world, person) == (last % 2 == 1), f"{last} of them, order {seed}"


def test_in_one_request_too_and_at_the_same_time_stop_counts(world, person):
    tell(world, preferences(preference(person, "resume", MOMENT + 2), preference(person, "stop", MOMENT + 1)))
    assert not has_opted_out(world, person)
    tell(world, preferences(preference(person, "stop", MOMENT + 3), preference(person, "resume", MOMENT + 3)))
    assert has_opted_out(world, person)
    tell(world, preferences(preference(person, "resume", MOMENT + 3)))
    assert has_opted_out(world, person)
    tell(world, preferences(preference(person, "resume", MOMENT + 4)), preferences(preference(person, "stop", MOMENT + 4)))
    assert has_opted_out(world, person)


def test_an_operator_is_not_contradicted_by_what_was_said_before(world, person):
    tell(world, preferences(preference(person, "stop")))
    world.db.sql("SELECT herald.opt_in(%s)", f"+{person}")
    tell(world, preferences(preference(person, "stop")))
    assert not has_opted_out(world, person)
    world.db.sql("SELECT herald.opt_out(%s)", f"+{person}")
    tell(world, messages(typed(person, "START", int(time.time()) - 5)), messages(typed(person, "START", int(time.time()) + 10 ** 6)))
    assert has_opted_out(world, person)
    # Whoever's clock is ahead says nothing that could never be taken back.
    world.db.sql("SELECT herald.opt_in(%s)", f"+{person}")
    assert not has_opted_out(world, person)
    tell(world, messages(typed(person, "STOP", int(time.time()) + 10 ** 6)))
    assert has_opted_out(world, person)
    world.db.sql("SELECT herald.opt_in(%s)", f"+{person}")
    assert not has_opted_out(world, person)


def say(world, person, word, at, account):  # noqa: F811
    """To the Cloud API's number or to a session."""
    if account == "cloud":
        tell(world, messages(typed(person, word, at)))
    else:
        assert world.web.post_wppconnect(onmessage(person, word, t=at), secret=PATH_SECRET) == 200


@pytest.mark.parametrize("said, opted_out", [
    ([("STOP", 1, "cloud"), ("START", 2, "wppconnect")], True),       # a gateway's secret speaks for its own account
    ([("STOP", 1, "wppconnect"), ("START", 2, "cloud")], True),
    ([("STOP", 1, "cloud"), ("START", 2, "cloud")], False),
    ([("STOP", 1, "wppconnect"), ("STOP", 2, "cloud"), ("START", 3, "wppconnect")], True),  # nor had it stopped before them
    ([("STOP", 1, "cloud"), ("STOP", 2, "wppconnect"), ("START", 3, "wppconnect")], True),
    ([("STOP", 1, "cloud"), ("STOP", 2, "wppconnect"), ("START", 3, "wppconnect"), ("START", 4, "cloud")], False),
    ([("START", 3, "wppconnect"), ("STOP", 1, "cloud")], True),       # nor keeps an earlier word from being heard
])
def test_a_webhook_speaks_for_its_own_account(world, person, said, opted_out):
    for word, later, account in said:
        say(world, person, word, MOMENT + later, account)
    assert has_opted_out(world, person) == opted_out


def test_a_webhook_takes_nothing_back_that_others_said(world, person):
    """An operator, or the platform in a gateway's answer."""
    world.db.sql("SELECT herald.opt_out(%s)", f"+{person}")
    for account in "cloud", "wppconnect":
        say(world, person, "STOP", MOMENT, account)
        say(world, person, "START", MOMENT + 1, account)
    assert world.db.value("SELECT who FROM herald.holds WHERE name = %s", f"+{person}") == "postgres"
    refused = str(next(people))
    claim = world.claim(recipient=f"+{refused}")
    world.player.turn(rejected(claim, "they want no messages", scope="recipient"))
    say(world, refused, "START", int(time.time()) + 5, "cloud")
    assert has_opted_out(world, refused)


def test_a_webhook_that_is_sent_once_more_says_nothing_new(world, person):
    """Signed as it was, weeks later: what outdid it is forgotten by then."""
    day, now = 86400, int(time.time())
    before = world.counts().get("too old", 0)
    old = messages(typed(person, "STOP", now - 20 * day)), messages(typed(person, "START", now - 19 * day))
    tell(world, *old, old[0])
    assert not has_opted_out(world, person)
    world.db.sql("SELECT herald.opt_out(%s)", f"+{person}")
    tell(world, old[1])
    assert has_opted_out(world, person)
    assert world.counts()["too old"] == before + 4 == world.web.figure("wishes_too_old_total")


def test_an_operator_is_obeyed_also_after_the_clock_went_back(world, person):
    for function, expected in ("opt_out", True), ("opt_in", False):
        world.db.sql(f"SELECT herald.{function}(%s)", f"+{person}")
        assert has_opted_out(world, person) == expected
        world.db.sql("UPDATE herald.heard SET at = now() + interval '1 hour' WHERE name = %s", f"+{person}")


@pytest.mark.parametrize("at", [-1, 0, "soon", None, 10 ** 18, -10 ** 18, "9" * 40, 1.5, {"a": 1}])
def test_times_that_are_none_are_now(world, person, at):
    tell(world, preferences(preference(person, "stop", at)))
    assert has_opted_out(world, person)
    assert world.db.value("SELECT since BETWEEN now() - interval '1 min' AND now() FROM herald.holds WHERE name = %s", f"+{person}")


def test_a_thousand_in_one_request(world):
    numbers = [str(next(people)) for _ in range(1000)]
    before = world.counts()
    best = 9.0
    for _ in range(3):
        begun = time.monotonic()
        tell(world, preferences(*(preference(n, "stop") for n in numbers)))
        best = min(best, time.monotonic() - begun)
        assert world.db.value("SELECT count(*) FROM herald.holds WHERE name = ANY (%s)", [f"+{n}" for n in numbers]) == 1000
    print(f"1000 in {best:.3f} s")
    assert best < 2
    tell(world, messages(*(typed(n, "START", MOMENT + 1) for n in numbers)), messages(*(typed(n, "START", MOMENT + 1) for n in numbers)))
    assert world.db.value("SELECT count(*) FROM herald.holds WHERE name = ANY (%s)", [f"+{n}" for n in numbers]) == 0
    for kind in "opted out", "opted in":
        assert world.counts()[kind] - before.get(kind, 0) == 1000


def test_figures(world, person):
    before = {wish: world.web.figure(f'wishes_total{{wish="{wish}"}}') for wish in ("stop", "resume")}
    opted_out, held = world.web.figure("opted_out"), world.web.figure('holds{kind="recipient"}')
    tell(world, preferences(preference(person, "stop")), preferences(preference(person, "stop", MOMENT + 1)))
    assert world.web.figure("opted_out") == opted_out + 1 and world.web.figure('holds{kind="recipient"}') == held
    assert world.web.figure('wishes_total{wish="stop"}') == before["stop"] + 1
    tell(world, preferences(preference(person, "resume", MOMENT + 2)), preferences(preference(person, "resume", MOMENT + 3)))
    assert world.web.figure("opted_out") == opted_out
    assert world.web.figure('wishes_total{wish="resume"}') == before["resume"] + 1


def test_many_at_once_in_any_order(world):
    """Several web processes and an operator: no deadlock, and each person's last word counts."""
    numbers, own = ([str(next(people)) for _ in range(n)] for n in (60, 20))
    words = [(n, i) for n in numbers for i in range(1, 9)]
    random.Random(3).shuffle(words)
    done = []

    def hear(part):
        connection = world.db.connect(login(world.cluster, "herald_web"))
        with connection.cursor() as cursor:
            for at in range(part * 9, len(words), 27):
                told = [("preference", "cloud", NUMBER, n, "stop" if i % 2 else "resume", None, MOMENT + i) for n, i in words[at:at + 9]]
                cursor.execute("SELECT herald.hear(%s, %s, %s, %s, %s, %s::text[], %s::bigint[])", [list(column) for column in zip(*told)])
        connection.close()
        done.append(part)

    threads = [threading.Thread(target=hear, args=(part,)) for part in range(3)]
    for thread in threads:
        thread.start()
    for n in own:
        world.db.sql("SELECT herald.opt_out(%s), herald.opt_out(%s)", f"+{n}", f"+{own[0]}")
    for thread in threads:
        thread.join()
    assert sorted(done) == [0, 1, 2]
    assert world.db.value("SELECT count(*) FROM herald.holds WHERE name = ANY (%s)", [f"+{n}" for n in numbers]) == 0, "the last was resume"
    assert world.db.value("SELECT count(*) FROM herald.holds WHERE name = ANY (%s)", [f"+{n}" for n in own]) == 20


def test_wppconnect(world, person):
    def post(*args, **more):
        assert world.web.post_wppconnect(onmessage(*args, **more), secret=PATH_SECRET) == 200
    for more in ({"fromMe": True}, {"isGroupMsg": True}, {"from": "120363000000000001@g.us"}, {"from": f"{person}@lid"}, {"type": "image"},
                 {"session": "elsewhere"}, {"event": "onselfmessage"}, {"body": {"x": 1}}, {"from": person}):
        post(person, "STOP", **more)
    post(person, "do not stop")
    assert not has_opted_out(world, person)
    post(person, " Stop ")
    assert has_opted_out(world, person)
    post(person, "start", t=MOMENT - 1)
    assert has_opted_out(world, person)
    post(person, "start", t=MOMENT + 1)
    assert not has_opted_out(world, person)


def test_receipts_and_wishes_of_one_request_are_recorded_together(world, person):
    claim, message_id = world.sent()
    both = webhook(status(message_id, "read", (claim.id, claim.attempt_id)))
    both["entry"] += preferences(preference(person, "stop"))["entry"]
    world.db.sql("ALTER FUNCTION herald.hear RENAME TO hear_no_more")
    try:
        assert world.web.post_cloud(both) == 503, "what is not recorded must come again"
        assert not has_opted_out(world, person)
    finally:
        world.db.sql("ALTER FUNCTION herald.hear_no_more RENAME TO hear")
    assert world.web.post_cloud(both) == 200
    assert has_opted_out(world, person) and world.status(claim) == "read"


def test_what_waits_ends_as_suppressed_also_of_an_urgent_rule(world, person):
    add_rule(world.db, "alarm", f"SELECT '1'::text AS dedup_key, '+{person}'::text AS recipient, '{{}}'::jsonb AS data, 'b'::text AS body", urgent=True)
    waiting = send(world.db, f"+{person}")
    tell(world, messages(typed(person, "STOP")))
    world.player.work()
    assert waiting not in world.player.turn().ids
    rows = world.db.sql("SELECT send_status, error FROM whatsapp_notifications WHERE target = %s", f"+{person}")
    assert rows == [("suppressed", "opted out: typed a stop word")] * 2
    world.db.sql("SELECT herald.drop_rule('alarm')")
    explained = str(world.db.sql("SELECT * FROM herald.explain(%s)", waiting))
    assert f"+{person} has opted out (typed a stop word, since " in explained
    tell(world, messages(typed(person, "START", MOMENT + 1)))
    assert "has opted out" not in str(world.db.sql("SELECT * FROM herald.explain(%s)", waiting))


def test_what_people_write_is_neither_stored_nor_logged(world, person):
    private = "my PIN is 4711"
    tell(world, messages(typed(person, private), typed(person, "STOP")))
    assert world.web.post_wppconnect(onmessage(person, private), secret=PATH_SECRET) == 200
    for table in world.db.column("SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('herald', 'public')"):
        assert private not in str(world.db.sql(f"SELECT * FROM {table}")), table
    output = world.web.output()
    assert private not in output and person not in output


def test_what_was_said_is_forgotten_when_nothing_older_can_come(world, person):
    tell(world, preferences(preference(person, "stop")))
    world.db.sql("UPDATE herald.heard SET at = at - interval '11 days' WHERE name = %s", f"+{person}")
    recent = str(next(people))
    tell(world, preferences(preference(recent, "stop", int(time.time()) - 9 * 86400 + 60)))
    assert has_opted_out(world, person)
    assert world.db.value("SELECT count(*) FROM herald.heard WHERE name = %s", f"+{person}") == 0
    assert world.db.value("SELECT count(*) FROM herald.heard WHERE name = %s", f"+{recent}") == 1


def test_a_receipt_that_says_so(world, person):
    claim = world.claim(recipient=f"+{person}")
    world.player.turn(accepted(claim, f"wamid.{person}"))
    failed = status(f"wamid.{person}", "failed", echo=(claim.id, claim.attempt_id), errors=[{"code": 131050, "title": "User opted out"}])
    assert world.web.post_cloud(webhook(failed)) == 200
    assert has_opted_out(world, person)
    assert world.status(claim) == "failed"
