"""campaigns, what a reviewer of it would try: floods, races, images that fail or come late, accounts that are renamed, loops that don't end."""

import threading

import psycopg2
import pytest

from conftest import wait_until
from examples import load, plan_at
from player import accepted, rejected
from test_example_campaigns import NAME, Days, add_account, days, enrol, loop, moment, problems  # noqa: F401 (fixtures)


def states(db):
    """Of each message, with its images, what became of it."""
    return db.sql("""SELECT coalesce(n.dedup_key, m.dedup_key), n.part_of IS NOT NULL, n.send_status FROM whatsapp_notifications n
                       LEFT JOIN whatsapp_notifications m ON m.id = n.part_of ORDER BY coalesce(n.part_of, n.id), n.id""")


def whole_day(db):
    """Account 1's hours are all day: these tests send by the real clock."""
    db.sql("UPDATE campaigns.accounts SET opens_at = '00:00', closes_at = '24:00'")


def next_part(db):
    """The pause before an image is over."""
    db.sql("UPDATE public.whatsapp_notifications SET next_at = clock_timestamp() - interval '1 ms' WHERE part_of IS NOT NULL AND next_at < now() + interval '1 min'")


# --- a day's worth of each account ---

def test_no_users_enrolment_stops_anybody_elses_campaign(db):
    load(db, NAME)
    db.sql("SELECT herald.resume('rule', 'campaigns'); DELETE FROM herald.counts")
    for account_id in range(1, 52):
        add_account(db, account_id)
    db.sql("""INSERT INTO campaigns.contacts (account_id, name, phone) SELECT 1 + n % 51, 'C', '+92300' || lpad(n::text, 7, '0') FROM generate_series(1, 51 * 101) n;
              INSERT INTO campaigns.enrolments (contact_id, asked_at) SELECT contact_id, '2026-03-01 12:00+05' FROM campaigns.contacts""")
    plan_at(db, NAME, moment(1))
    assert db.sql("SELECT DISTINCT n FROM (SELECT count(*) AS n FROM whatsapp_notifications GROUP BY sender) x") == [(100,)]
    assert plan_at(db, NAME, moment(1, "10:06"))["n_new"] == 0  # what waits fills the day
    assert problems(db) == []


def test_a_rule_that_is_held_is_told_to_the_administrator(loop):
    loop.sql("SELECT herald.pause('rule', 'campaigns', 'an operator looks at it')")
    assert problems(loop) == [(None, "all campaigns", "an operator looks at it", "Nobody is told anything until that is over: pgherald resume rule campaigns")]
    loop.sql("UPDATE herald.holds SET cause = 'flood', reason = 'too many' WHERE kind = 'rule'")
    assert [row[2] for row in problems(loop)] == ["too many"]
    loop.sql("SELECT herald.resume('rule', 'campaigns')")
    assert problems(loop) == []


def test_a_days_texts_leave_room_for_their_images(loop, days):  # noqa: F811
    whole_day(loop)
    loop.sql("UPDATE campaigns.days SET images = '{https://example.org/1.jpg,https://example.org/2.jpg}'; UPDATE herald.senders SET limits = '{6/1 day}'")
    enrol(loop, 1, 2, 3, 4)
    told = []
    for day in (1, 2, 3):
        plan_at(loop, NAME, moment(day))
        while claims := days.player.turn().claims:
            days.player.turn(*(accepted(claim) for claim in claims), room=0)
            next_part(loop)
            assert plan_at(loop, NAME, moment(day))["n_new"] == 0
        loop.sql("UPDATE public.whatsapp_notifications SET sent_at = %s WHERE sent_at > '2026-04-01'", moment(day))
        told.append(states(loop))
        loop.sql("DELETE FROM herald.counts")  # a day passes
    whole = lambda key: [(key, part, "sent") for part in (False, True, True)]  # noqa: E731
    assert told == [whole("1/1") + whole("2/1"), whole("1/1") + whole("2/1") + whole("3/1") + whole("4/1"),
                    whole("1/1") + whole("2/1") + whole("3/1") + whole("4/1") + whole("1/2") + whole("2/2")]


def test_a_message_with_more_images_than_a_day_allows_is_sent_all_the_same(loop):
    loop.sql("UPDATE campaigns.days SET images = '{https://example.org/1.jpg,https://example.org/2.jpg}'; UPDATE herald.senders SET limits = '{2/1 day}'")
    enrol(loop, 1, 2)
    assert plan_at(loop, NAME, moment(1))["n_new"] == 1


# --- races ---

def test_who_is_enrolled_while_enrolment_is_let_go_on_begins(loop):
    loop.sql("UPDATE campaigns.accounts SET enrolment_paused = true")
    loop.sql("INSERT INTO campaigns.contacts (contact_id, account_id, name) VALUES (1, 1, 'C')")
    other = psycopg2.connect(loop.dsn())
    other.autocommit = False
    try:
        other.cursor().execute("UPDATE campaigns.accounts SET enrolment_paused = false")
        enrols = threading.Thread(target=lambda: loop.sql("INSERT INTO campaigns.enrolments (contact_id) VALUES (1)"))
        enrols.start()
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT INTO campaigns.enrolments%%' AND pid <> pg_backend_pid()"
        watcher = other.cursor()
        wait_until(lambda: watcher.execute(waits) or watcher.fetchone()[0] or watcher.execute("SELECT pg_stat_clear_snapshot()"), "the enrolment waits")
        other.commit()
        enrols.join()
    finally:
        other.close()
    assert loop.value("SELECT started_at IS NOT NULL FROM campaigns.enrolments")


def test_who_waits_and_is_moved_to_an_account_that_does_not_begins(loop):
    add_account(loop, 2)
    add_account(loop, 3)
    loop.sql("UPDATE campaigns.accounts SET enrolment_paused = true WHERE account_id <> 3")
    enrol(loop, 1)
    loop.sql("UPDATE campaigns.contacts SET account_id = 2")
    assert loop.value("SELECT started_at FROM campaigns.enrolments") is None
    loop.sql("UPDATE campaigns.contacts SET account_id = 3")
    assert loop.value("SELECT started_at > now() - interval '1 min' FROM campaigns.enrolments")


# --- images ---

@pytest.mark.parametrize("images", ["{ftp://nowhere}", "{https://example.org/1.jpg,}", "{NULL}", "{https://example.org/a b}", "{" + ",".join(["https://example.org/1.jpg"] * 31) + "}"])
def test_an_image_that_could_not_be_sent_is_refused_where_it_is_written(loop, images):
    images = images.replace(",}", ',""}')
    with pytest.raises(psycopg2.Error, match="an image of day 1 has no address that can be sent") as refused:
        loop.sql("UPDATE campaigns.days SET images = %s WHERE day = 1", images)
    assert refused.value.diag.message_hint.startswith("Write at most 30 addresses")


def test_an_image_that_failed_is_told_to_the_administrator_until_it_is_another(loop, days):  # noqa: F811
    whole_day(loop)
    loop.sql("UPDATE campaigns.days SET images = '{https://example.org/1.jpg}' WHERE day = 1")
    enrol(loop, 1, 2)
    plan_at(loop, NAME, moment(1))
    while claims := days.player.turn().claims:
        days.player.turn(*(rejected(claim) if claim.detail and "1.jpg" in claim.detail else accepted(claim) for claim in claims), room=0)
        next_part(loop)
    assert [row[:2] for row in problems(loop)] == [(None, "day 1")]
    assert problems(loop)[0][2].startswith("its image https://example.org/1.jpg did not reach 2 contacts, of late: ")
    loop.sql("UPDATE campaigns.days SET images = '{https://example.org/2.jpg}' WHERE day = 1")
    assert problems(loop) == []


def test_images_stay_within_the_hours_of_the_account(loop, days):  # noqa: F811
    loop.sql("UPDATE campaigns.days SET images = '{https://example.org/1.jpg,https://example.org/2.jpg}'")
    enrol(loop, 1)
    plan_at(loop, NAME, moment(1))
    # It closes in half an hour, by a time zone in which it is noon.
    loop.sql("""UPDATE campaigns.accounts SET opens_at = '00:00', timezone = z.name, closes_at = z.at + interval '30 min'
                  FROM (SELECT x.name, (now() AT TIME ZONE x.name)::time AS at FROM unnest('{UTC,Asia/Tokyo,America/Los_Angeles}'::text[]) x (name)) z
                 WHERE z.at BETWEEN '01:00' AND '22:00'""")
    days.player.turn(accepted(days.player.turn().claims[0]), room=0)
    assert loop.sql("SELECT DISTINCT expires_at BETWEEN now() + interval '29 min' AND now() + interval '31 min' FROM whatsapp_notifications WHERE part_of IS NOT NULL") == [(True,)]
    loop.sql("""ALTER TABLE public.whatsapp_notifications DISABLE TRIGGER campaigns_image_due;
                UPDATE public.whatsapp_notifications SET next_at = next_at - interval '31 min', expires_at = expires_at - interval '31 min' WHERE part_of IS NOT NULL;
                ALTER TABLE public.whatsapp_notifications ENABLE TRIGGER campaigns_image_due""")
    assert days.player.turn().claims == [] and days.player.turn().claims == []
    assert [row[2] for row in states(loop)] == ["sent", "expired", "expired"]
    assert [row[2].split(" contacts")[0] for row in problems(loop)] == [f"its image https://example.org/{n}.jpg did not reach 1" for n in (1, 2)]


# --- accounts and ends ---

def test_a_time_zone_that_does_not_exist_is_refused_where_it_is_written(loop):
    with pytest.raises(psycopg2.Error, match='time zone "Mars/Olympus" not recognized'):
        loop.sql("UPDATE campaigns.accounts SET timezone = 'Mars/Olympus'")


def test_an_account_keeps_its_number(loop):
    with pytest.raises(psycopg2.Error, match="account 1 keeps its number") as refused:
        loop.sql("UPDATE campaigns.accounts SET account_id = 9")
    assert "Add an account with the new number" in refused.value.diag.message_hint


def test_an_account_without_a_sender_says_so_itself(loop):
    loop.sql("DELETE FROM herald.senders")
    with pytest.raises(psycopg2.Error, match="account 1 has no sender"):
        loop.sql("SELECT campaigns.connect(1)")
    with pytest.raises(psycopg2.Error, match="there is no account 9"):
        loop.sql("SELECT campaigns.connect(9)")


def test_who_did_not_finish_within_sixty_days_is_named(loop, days):  # noqa: F811
    enrol(loop, 1, at=loop.value("SELECT now() - interval '59 days'"))
    assert problems(loop, but="") == []
    loop.sql("UPDATE campaigns.enrolments SET started_at = started_at - interval '2 days'")
    assert [row[:3] for row in problems(loop, but="")] == [(1, "contact 1, Contact 1", "not finished within 60 days, and not told anything more")]
    loop.sql("INSERT INTO whatsapp_notifications (rule, dedup_key, send_status, sent_at, target) SELECT 'campaigns', '1/' || d, 'sent', now(), '+1' FROM generate_series(1, 7) d")
    assert problems(loop, but="") == []
