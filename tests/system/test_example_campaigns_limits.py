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
