"""What gateways say of templates: ours is held while the gateway does not send it, and goes on by itself."""

import itertools
import random
import threading
import time

import pytest

from conftest import wait_until
from player import row, send, wait
from test_opt_out import hook
from test_web import APP_SECRET, OTHER_APP_SECRET, world  # noqa: F401 (a fixture)

MOMENT = int(time.time()) - 3600
numbers = itertools.count(1)

pytestmark = pytest.mark.sanitize


def event(name, what, at=MOMENT, language="en-US"):
    return hook("message_template_status_update", {"event": what, "message_template_id": 1689556908129832, "message_template_name": name,
                                                   "message_template_language": language, "reason": "NONE"}, time_sec=at)


class Template:
    """A template of ours, with messages."""

    def __init__(self, world, *locales):  # noqa: F811
        self.world, self.db = world, world.db
        self.number = next(numbers)
        self.name, self.gateway_name = f"ours {self.number}", f"theirs_{self.number}"
        for locale, gateway_locale in locales or [("", "en_US")]:
            self.db.sql("INSERT INTO herald.templates (name, locale, body, gateway_name, gateway_locale) VALUES (%s, %s, 'b', %s, %s)",
                        self.name, locale, self.gateway_name, gateway_locale)

    def tell(self, what, at=MOMENT, language="en-US"):
        assert self.world.web.post_cloud(event(self.gateway_name, what, at, language)) == 200

    def hold(self):
        return self.db.row("SELECT reason, until, who, since, app_secrets FROM herald.holds WHERE kind = 'template' AND cause = 'template' AND name = %s", self.name)

    def send(self):
        return send(self.db, next(numbers), None, template=self.name, sender="wa")


@pytest.fixture
def ours(world):  # noqa: F811
    return Template(world)


@pytest.mark.parametrize("bad", ["PAUSED", "DISABLED", "REJECTED", "FLAGGED"])
@pytest.mark.parametrize("good", ["APPROVED", "REINSTATED"])
def test_it_is_held_and_goes_on(world, ours, bad, good):
    waiting = ours.send()
    ours.tell(bad)
    hold = ours.hold()
    assert hold["reason"] == f"the gateway says: {ours.gateway_name} (en_us) is {bad}" and hold["until"] is None and hold["since"].timestamp() == MOMENT
    assert waiting not in world.player.turn().ids
    explained = str(world.db.sql("SELECT * FROM herald.explain(%s)", waiting))
    assert "it waits until what holds it is resumed" in explained and f'template "{ours.name}" is held (template, by pgherald): the gateway says' in explained
    item, = world.db.sql("SELECT value, attention FROM herald.status WHERE item = %s", f"hold template {ours.name}")
    assert f"is {bad}" in item[0] and "WhatsApp Manager" in item[1] and f"pgherald resume template {ours.name}" in item[1]
    ours.tell(good, MOMENT + 1)
    assert ours.hold() is None
    assert waiting in world.player.turn().ids


@pytest.mark.parametrize("locale, gateway_locale, theirs", [("", "en_US", "en_US"), ("", "en_US", "EN-us"), ("", None, "en"), ("bn", None, "bn"), ("bn", "bn_BD", "bn-BD")])
def test_languages_are_known_however_they_are_written(world, locale, gateway_locale, theirs):
    ours = Template(world, (locale, gateway_locale))
    ours.tell("PAUSED", language=theirs)
    assert ours.hold()
    ours.tell("APPROVED", MOMENT + 1, language=theirs)
    assert not ours.hold()


def test_what_is_not_ours_or_no_such_news_is_nothing(world, ours):
    ours.tell("PAUSED", language="en-GB")
    ours.tell("PAUSED", language="e" * 65)
    for what in "PENDING", "IN_APPEAL", "LOCKED", "paused", "", "x" * 100, 5, None, ["PAUSED"]:
        ours.tell(what)
    for name in f"{ours.gateway_name}x", ours.name, "", None, {"a": 1}, "x" * 5000:
        assert world.web.post_cloud(event(name, "PAUSED")) == 200
    assert world.web.post_cloud(event(ours.gateway_name, "PAUSED"), secret="forged") == 401
    assert ours.hold() is None
    assert world.db.value("SELECT count(*) FROM herald.heard WHERE kind = 'template' AND name LIKE %s", f"{ours.gateway_name}%") == 0


def test_it_is_held_for_the_senders_whose_secret_has_said_so(world, ours):
    def said(what, at, secret=APP_SECRET):
        assert world.web.post_cloud(event(ours.gateway_name, what, at), secret=secret) == 200

    def claimed(**more):
        return (ident := send(world.db, next(numbers), None, template=ours.name, **more)) in world.player.turn().ids and ident

    said("PAUSED", MOMENT, OTHER_APP_SECRET)
    assert ours.hold()["app_secrets"] == ["other_app"]
    assert claimed(sender="wa") and claimed() and not claimed(sender="other")
    said("PAUSED", MOMENT + 1)
    assert ours.hold()["app_secrets"] == ["app", "other_app"]
    waiting = ours.send()
    assert waiting not in world.player.turn().ids and not claimed(sender="other")
    said("APPROVED", MOMENT + 2, OTHER_APP_SECRET)
    assert ours.hold()["app_secrets"] == ["app"]
    assert claimed(sender="other") and not claimed(sender="wa")
    assert waiting not in world.player.turn().ids
    said("APPROVED", MOMENT + 3)
    assert ours.hold() is None and waiting in world.player.turn().ids
    world.db.sql("DELETE FROM whatsapp_notifications WHERE template = %s", ours.name)


def test_the_last_that_was_said_counts_whenever_it_comes(world, ours):
    said = [("PAUSED", MOMENT), ("APPROVED", MOMENT + 10), ("DISABLED", MOMENT + 20), ("REINSTATED", MOMENT + 30)]
    for last in range(1, 5):
        for seed in range(4):
            order = said[:last] * 2
            random.Random(seed).shuffle(order)
            world.db.sql("DELETE FROM herald.heard; DELETE FROM herald.holds")
            for what, at in order:
                ours.tell(what, at)
            assert bool(ours.hold()) == (last % 2 == 1), f"{last} of them, order {seed}"


def test_all_languages_must_be_sent_again(world):
    ours = Template(world, ("en", "en_US"), ("bn", None))
    ours.tell("PAUSED")
    ours.tell("REJECTED", MOMENT + 1, language="bn")
    assert ours.hold()["reason"] == f"the gateway says: {ours.gateway_name} (bn) is REJECTED, {ours.gateway_name} (en_us) is PAUSED"
    ours.tell("APPROVED", MOMENT + 2)
    assert ours.hold()["reason"] == f"the gateway says: {ours.gateway_name} (bn) is REJECTED"
    ours.tell("APPROVED", MOMENT + 3, language="bn")
    assert ours.hold() is None


def test_a_person_who_resumes_is_not_contradicted_by_old_news(world, ours):
    ours.tell("PAUSED")
    waiting = ours.send()
    assert waiting not in world.player.turn().ids
    world.db.pgherald("resume", "template", ours.name, status=0)
    ours.tell("PAUSED")
    assert ours.hold() is None
    assert waiting in world.player.turn().ids
    ours.tell("PAUSED", MOMENT + 5)
    assert ours.hold()


def test_what_its_answers_said_is_taken_back_by_later_news_only(world, ours):
    first = ours.send()
    claim, = [c for c in world.player.turn().claims if c.id == first]
    world.player.turn(wait(claim, "template"))
    assert ours.hold()["until"]
    ours.tell("APPROVED", MOMENT)
    assert ours.hold()["until"], "it was approved before that answer"
    ours.tell("APPROVED", int(time.time()) + 10)
    assert ours.hold() is None


def test_an_answer_does_not_end_what_the_gateway_has_told(world, ours):
    first = ours.send()
    claim, = [c for c in world.player.turn().claims if c.id == first]
    ours.tell("PAUSED")
    world.player.turn(wait(claim, "template"))
    assert ours.hold()["until"] is None and "PAUSED" in ours.hold()["reason"]


def test_a_claim_that_still_saw_the_hold_is_no_loss(world, ours):
    """What it defers is woken by the turn after it. The webhook itself waits for no claim, and keeps none waiting."""
    ours.tell("PAUSED")
    waiting = ours.send()
    other = world.db.connect()
    other.autocommit = False
    with other.cursor() as cursor:
        cursor.execute("LOCK TABLE herald.claim_lock IN EXCLUSIVE MODE")
        ours.tell("APPROVED", MOMENT + 1)
        cursor.execute("UPDATE whatsapp_notifications SET next_at = 'infinity' WHERE id = %s", (waiting,))
        other.commit()
    other.close()
    assert waiting in world.player.turn().ids


def test_however_many_wait_all_are_woken(world, ours):
    lane = row(world.db, ours.send())["lane"]
    world.db.sql("""INSERT INTO whatsapp_notifications (recipient, target, target_kind, sender, template, lane, next_at, expires_at)
                    SELECT 'x', '+88019' || lpad(i::text, 8, '0'), 'individual', 'wa', %s, %s, 'infinity', 'infinity' FROM generate_series(1, 45000) i""",
                 ours.name, lane)
    ours.tell("PAUSED")
    begun = time.monotonic()
    ours.tell("APPROVED", MOMENT + 1)
    for _ in range(3):
        world.player.turn(room=0)
    print(f"45001 woken in {time.monotonic() - begun:.2f} s")
    assert world.db.value("SELECT count(*) FROM whatsapp_notifications WHERE template = %s AND next_at = 'infinity'", ours.name) == 0
    world.db.sql("DELETE FROM whatsapp_notifications WHERE template = %s", ours.name)


def test_a_thousand_in_one_request(world):
    templates = [Template(world) for _ in range(250)]
    def post(what, at):
        changes = [c for t in templates for language in ("en_US", "en", "bn", "de") for c in event(t.gateway_name, what, at, language)["entry"][0]["changes"]]
        begun = time.monotonic()
        assert world.web.post_cloud({"object": "whatsapp_business_account", "entry": [{"id": "1", "time": at, "changes": changes}]}) == 200
        print(f"{len(changes)} in {time.monotonic() - begun:.3f} s")
    def held():
        return world.db.value("SELECT count(*) FROM herald.holds WHERE kind = 'template' AND name = ANY (%s)", [t.name for t in templates])
    before = world.counts().get("template held", 0)
    for _ in range(2):
        post("PAUSED", MOMENT)
        assert held() == 250 and world.counts()["template held"] == before + 250
    post("APPROVED", MOMENT + 1)
    assert held() == 0
