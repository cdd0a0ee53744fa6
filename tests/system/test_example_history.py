"""over_history: what nobody read, too many failures and held senders are told, once."""

import pytest

from examples import ADMINISTRATOR, SUPERVISOR, load, plan
from player import add_senders

@pytest.fixture
def history(db):
    """over_history, let go, and a history of twenty messages an hour old, of which none was read and one failed."""
    load(db, "over_history", supervisor=SUPERVISOR, administrator=ADMINISTRATOR)
    for rule in ("unread", "failing", "held"):
        db.sql("SELECT herald.resume('rule', %s)", rule)
    db.sql("""INSERT INTO public.whatsapp_notifications (rule, dedup_key, recipient, target, body, send_status, created_at, sent_at, error)
              SELECT 'rc_meters', n, 'NOCS-1', '120363000000000001@g.us', 'Meter ' || n, CASE n WHEN 1 THEN 'failed' ELSE 'sent' END,
                     now() - interval '31 min', CASE WHEN n > 1 THEN now() - interval '31 min' END, CASE n WHEN 1 THEN 'no such group' END
                FROM generate_series(1, 20) n""")
    return db


def told(db, rule):
    return db.column("SELECT body FROM whatsapp_notifications WHERE rule = %s ORDER BY id", rule)


def test_what_nobody_read_within_half_an_hour_goes_to_the_supervisor_once(history):
    history.sql("""UPDATE public.whatsapp_notifications SET send_status = 'read', read_at = now() WHERE dedup_key NOT IN ('1', '7');
                   INSERT INTO public.whatsapp_notifications (rule, dedup_key, target, body, send_status, sent_at)
                   VALUES ('rc_meters', 'young', '+8801711000009', 'x', 'sent', now() - interval '29 min')""")
    for _ in range(2):
        plan(history, "unread")
    text, = told(history, "unread")
    assert text.endswith("Meter 7") and "For NOCS-1 (rc_meters, no. " in text
    history.sql("""UPDATE public.whatsapp_notifications SET send_status = 'sent', sent_at = now() - interval '1 hour' WHERE rule = 'unread'""")
    plan(history, "unread")
    assert len(told(history, "unread")) == 1  # not the supervisor to the supervisor


def test_what_is_escalated_elsewhere_or_was_told_to_the_supervisor_is_not_escalated(history):
    plan(history, "unread")
    assert len(told(history, "unread")) == 19
    history.sql("DELETE FROM whatsapp_notifications WHERE rule = 'unread'")
    history.sql("""UPDATE public.whatsapp_notifications SET recipient = 'SUPERVISOR' WHERE dedup_key = '2';
                   UPDATE public.whatsapp_notifications SET recipient = 'administrator' WHERE dedup_key = '3'""")
    plan(history, "unread")
    assert len(told(history, "unread")) == 17
    history.sql("DELETE FROM whatsapp_notifications WHERE rule = 'unread'")
    load(history, "rc_meters", supervisor=SUPERVISOR)
    plan(history, "unread")
    assert told(history, "unread") == []


def test_the_administrator_hears_once_an_hour_when_a_tenth_fails(history):
    plan(history, "failing")
    assert told(history, "failing") == []
    history.sql("UPDATE public.whatsapp_notifications SET send_status = 'failed', error = 'no such group' WHERE dedup_key::int <= 3")
    for _ in range(2):
        plan(history, "failing")
    assert told(history, "failing") == ["🔥 3 of the last hour's 20 messages failed (15 %)\nFor example: no such group"]


def test_the_administrator_hears_of_a_sender_that_is_held_once_each_time(history):
    add_senders(history, "wa")
    history.sql("""INSERT INTO herald.holds (kind, name, cause, until, reason, since) VALUES
                   ('sender', 'wa', 'blocked', now() + interval '5 s', 'the session is not connected', now() - interval '61 s')""")
    for _ in range(2):
        plan(history, "held")
    text, = told(history, "held")
    assert text.startswith("⛔ Sender wa has been held since ") and text.endswith("the session is not connected")
    history.sql("UPDATE herald.holds SET since = now() - interval '30 s' WHERE kind = 'sender'")
    plan(history, "held")
    assert len(told(history, "held")) == 1
