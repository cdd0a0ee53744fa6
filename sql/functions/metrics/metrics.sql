-- herald.metrics(): figures for Prometheus, a row a sample: its name without the prefix pgherald_, its type, what it means, its
-- labels as they are written, its value; the samples of a name, and of a histogram's three names, follow one another. Every
-- part is an index scan with an end: what waits is counted up to 100,000, what is in doubt among the 10,000 newest.
CREATE OR REPLACE FUNCTION herald.metrics() RETURNS TABLE (name text, type text, help text, labels text, value float8)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
    WITH lane AS (
        SELECT l.id, l.floor, herald.lane_is_held(l) IS TRUE AS is_held FROM herald.lanes l
    ), waiting AS (
        SELECT n.send_status, n.next_at
          FROM lane CROSS JOIN LATERAL (SELECT w.send_status, w.next_at FROM public.whatsapp_notifications w
                                         WHERE w.lane = lane.id AND w.next_at IS NOT NULL AND w.owner IS NULL
                                             AND NOT w.behind OFFSET 0) n
         LIMIT 100000
    ), depth AS (
        SELECT w.send_status, count(*) AS n FROM waiting w GROUP BY 1
        UNION ALL
        SELECT 'behind', count(*) FROM (SELECT FROM public.whatsapp_notifications w WHERE w.behind LIMIT 100000) b
        UNION ALL
        SELECT 'sending', count(*) FROM public.whatsapp_notifications w WHERE w.owner IS NOT NULL
        UNION ALL
        SELECT 'in_doubt_for_a_person', count(*)
          FROM (SELECT a.attempt_id, a.notification_id FROM herald.attempts a
                WHERE a.outcome LIKE '%in_doubt%' ORDER BY a.attempt_id DESC LIMIT 10000) a
          JOIN public.whatsapp_notifications w ON w.id = a.notification_id
         WHERE w.attempt_id = a.attempt_id AND w.send_status = 'in_doubt' AND w.next_at IS NULL
    ), oldest AS (
        SELECT l.is_held, greatest(max(extract(epoch FROM clock_timestamp() - d.next_at)), 0) AS age_sec
          FROM lane l CROSS JOIN LATERAL (SELECT min(w.next_at) AS next_at FROM public.whatsapp_notifications w
                                           WHERE w.lane = l.id AND w.next_at >= l.floor AND w.next_at < 'infinity'
                                             AND w.owner IS NULL AND NOT w.behind) d
         GROUP BY 1
    ), xmin_holder AS (
        SELECT max(x.age) AS age
          FROM (SELECT age(a.backend_xmin) AS age FROM pg_stat_activity a WHERE a.pid <> pg_backend_pid()
                UNION ALL SELECT age(s.xmin) FROM pg_replication_slots s
                UNION ALL SELECT age(p.transaction) FROM pg_prepared_xacts p) x
    )
    SELECT 'oldest_due_seconds', 'gauge', 'Age of the message that has been due for longest, by whether a hold keeps it',
           format('held="%s"', h.is_held::text), coalesce(o.age_sec, 0)::float8
      FROM (VALUES (false), (true)) h (is_held) LEFT JOIN oldest o USING (is_held)
    UNION ALL
    SELECT 'messages', 'gauge', 'Messages that wait or are in flight, by state (at most 100000 are counted)',
        format('state="%s"', s.state),
           coalesce((SELECT sum(d.n) FROM depth d WHERE d.send_status = s.state), 0)
      FROM unnest('{pending,behind,sending,in_doubt,in_doubt_for_a_person}'::text[]) s (state)
    UNION ALL
    SELECT 'attempts_total', 'counter', 'Attempts begun', '', CASE WHEN q.is_called THEN q.last_value ELSE 0 END
        FROM herald.attempt_seq q
    UNION ALL
    SELECT * FROM (
        SELECT 'attempts_last_hour', 'gauge', 'Attempts of the last hour that were not simply accepted, by outcome and gateway',
               format('outcome="%s",gateway="%s"', herald.metric_label(a.outcome), herald.metric_label(coalesce(s.gateway, ''))),
                   count(*)
          FROM herald.attempts a LEFT JOIN herald.senders s ON s.name = a.sender
         WHERE a.at > statement_timestamp() - interval '1 hour' GROUP BY 4 ORDER BY 4) a
    UNION ALL
    SELECT 'receipts_total', 'counter', 'Receipts taken, by what they said; early ones came before their message''s answer',
        format('kind="%s"', k.kind),
           coalesce((SELECT c.n FROM herald.receipt_counts c WHERE c.kind = k.kind), 0)
      FROM unnest('{sent,delivered,read,failed,early}'::text[]) k (kind)
    UNION ALL
    SELECT 'receipts_ignored_total', 'counter', 'Receipts about messages that are not ours', '',
           coalesce((SELECT c.n FROM herald.receipt_counts c WHERE c.kind = 'ignored'), 0)
    UNION ALL
    SELECT 'wishes_total', 'counter', 'Addresses that webhooks opted out, and in again', format('wish="%s"', w.wish),
           coalesce((SELECT c.n FROM herald.receipt_counts c WHERE c.kind = w.kind), 0)
      FROM (VALUES ('stop', 'opted out'), ('resume', 'opted in')) w (wish, kind)
    UNION ALL
    SELECT 'wishes_too_old_total', 'counter', 'Wishes of people that were passed over, as they were said over nine days ago', '',
           coalesce((SELECT c.n FROM herald.receipt_counts c WHERE c.kind = 'too old'), 0)
    UNION ALL
    SELECT 'opted_out', 'gauge', 'Addresses that want no messages', '',
           (SELECT count(*) FROM herald.holds h WHERE h.kind = 'recipient' AND h.cause = 'opt-out')
    UNION ALL
    SELECT * FROM (
        SELECT 'limit_room', 'gauge', 'Messages that a sender''s rolling windows still allow',
               format('sender="%s",limit="%s"', herald.metric_label(s.name), herald.metric_label(u.rolling_limit)),
                   greatest(u.free, 0)
          FROM herald.senders s CROSS JOIN LATERAL herald.limit_use(s, statement_timestamp()) u WHERE s.enabled ORDER BY 4) l
    UNION ALL
    SELECT * FROM (
        SELECT 'wakes_total', 'counter', 'How often a daemon woke since it started, by cause, as of its last look every 30 s',
               format('node="%s",cause="%s"', herald.metric_label(l.node), c.cause), l.wakes[c.place]
          FROM herald.listeners l CROSS JOIN (VALUES (1, 'rung'), (2, 'clock'), (3, 'backstop')) c (place, cause)
         WHERE l.node <> '' ORDER BY 4) w
    UNION ALL
    SELECT * FROM (
        SELECT 'latency_seconds' || l.suffix, 'histogram', 'Time from a message''s making to its stages', l.labels, l.value
          FROM herald.latencies() l) y
    UNION ALL
    SELECT 'holds', 'gauge', 'What is held, by kind, but for opt-outs', format('kind="%s"', k.kind),
           (SELECT count(*) FROM herald.holds h WHERE h.kind = k.kind AND h.cause <> 'opt-out')
      FROM unnest('{all,rule,sender,channel,recipient,template}'::text[]) k (kind)
    UNION ALL
    SELECT 'notification_queue_usage', 'gauge', 'How full the queue of NOTIFY is, from 0 to 1', '', pg_notification_queue_usage()
    UNION ALL
    SELECT 'oldest_xmin_age', 'gauge',
        'Transactions since the oldest snapshot that anybody holds: it keeps dead rows from being cleared', '',
           coalesce((SELECT x.age FROM xmin_holder x), 0);
$$;
