-- herald.status: how things are, a line an item. attention: what needs a person, and what to do; NULL where all is well.
CREATE OR REPLACE VIEW herald.status AS
SELECT x.item, x.value, x.attention FROM (
    SELECT 10 AS place, 'daemon ' || l.node AS item,
           CASE WHEN l.seen_at < clock_timestamp() - interval '2 min' THEN 'not seen since ' || herald.local_time(l.seen_at)
                WHEN l.asleep_until > clock_timestamp() THEN 'up, asleep until rung' ELSE 'up, awake' END AS value,
           CASE WHEN l.seen_at < clock_timestamp() - interval '2 min'
                THEN 'start it: systemctl status pgherald (DELETE FROM herald.listeners forgets a node that is gone)'
           END AS attention
      FROM herald.listeners l WHERE l.node <> ''
    UNION ALL
    SELECT 11, 'daemon', 'none has ever attended this database', 'start one: pgherald run'
     WHERE NOT EXISTS (SELECT FROM herald.listeners l WHERE l.node <> '')
    UNION ALL
    SELECT 12, 'pgherald web', CASE WHEN w.seen_at = '-infinity' THEN 'never seen'
                                    WHEN w.seen_at < clock_timestamp() - interval '30 s'
                                        THEN 'not seen since ' || herald.local_time(w.seen_at)
                                    ELSE 'up since ' || herald.local_time(w.up_since) END
                               || coalesce('; no receipts since ' || herald.local_time(w.silent_since), ''),
           CASE WHEN w.silent_since IS NOT NULL THEN 'no receipts come: look at pgherald web, and whether gateways reach it'
                WHEN w.seen_at < clock_timestamp() - interval '2 min'
                THEN 'start it: systemctl status pgherald-web (UPDATE herald.web SET seen_at = ''-infinity'' forgets it)' END
      FROM herald.web w WHERE w.seen_at > '-infinity' OR w.silent_since IS NOT NULL
    UNION ALL
    SELECT 20, 'messages ' || c.send_status,
           c.n::text || coalesce(', the oldest due since ' || herald.local_time(c.oldest_due), ''),
           CASE WHEN c.send_status = 'in_doubt' AND c.undecided > 0
                THEN format('%s wait for a person: pgherald list --status in_doubt, then retry or cancel', c.undecided)
                WHEN c.send_status = 'pending' AND c.oldest_free < clock_timestamp() - interval '5 min'
                THEN 'due for over five minutes: pgherald show on one of them tells why' END
      FROM (SELECT n.send_status, count(*) AS n,
                   count(*) FILTER (WHERE n.send_status = 'in_doubt' AND n.next_at IS NULL) AS undecided,
                   min(n.next_at) FILTER (WHERE n.send_status = 'pending' AND n.next_at <= clock_timestamp()) AS oldest_due,
                   min(n.next_at) FILTER (WHERE n.send_status = 'pending' AND n.next_at <= clock_timestamp()
                                          AND l.is_held IS NOT TRUE) AS oldest_free
              FROM public.whatsapp_notifications n
              LEFT JOIN (SELECT k.id, herald.lane_is_held(k) AS is_held FROM herald.lanes k OFFSET 0) l ON l.id = n.lane
             WHERE n.next_at IS NOT NULL OR n.send_status = 'in_doubt' GROUP BY 1) c
    UNION ALL
    SELECT 25, 'last 24 hours', coalesce(string_agg(d.n || ' ' || d.send_status, ', ' ORDER BY d.n DESC), 'nothing'), NULL
      FROM (SELECT n.send_status, count(*) AS n FROM public.whatsapp_notifications n
             WHERE n.created_at > clock_timestamp() - interval '24 hours' GROUP BY 1) d
    UNION ALL
    SELECT 30, 'rule ' || r.name,
           CASE WHEN r.swept_at IS NULL THEN 'not swept yet'
                ELSE format('swept %s: %s found, %s new, %s known, %s suppressed, %s failed, took %s ms',
                            herald.local_time(r.swept_at), r.found, r.new, r.known, r.suppressed, r.failed,
                            (extract(epoch FROM r.took) * 1000)::int) END,
           CASE WHEN r.error IS NOT NULL THEN 'it fails: ' || r.error
                WHEN r.bad_keys > 0 OR EXISTS (SELECT FROM herald.set_aside a WHERE a.rule = r.name)
                THEN 'some of its rows can''t be planned: pgherald check' END
      FROM herald.rules r
    UNION ALL
    SELECT 40, 'hold ' || h.kind || CASE h.name WHEN '' THEN '' ELSE ' ' || h.name END,
           format('%s, since %s: %s', h.cause, herald.local_time(h.since), h.reason)
           || CASE WHEN h.until IS NULL THEN ''
                   WHEN h.cause = 'blocked' THEN '; probed next at ' || herald.local_time(h.until)
                   ELSE '; until ' || herald.local_time(h.until) END,
           CASE WHEN h.cause IN ('new', 'flood')
                THEN 'look with pgherald sweep ' || h.name || ' --dry-run, then pgherald resume rule ' || h.name
                WHEN h.cause = 'blocked' THEN 'mend the sender; it is probed by itself'
                WHEN h.cause = 'unpaired' THEN 'pgherald pair ' || h.name
                WHEN h.cause = 'template' AND h.until IS NULL
                THEN 'see to it in the WhatsApp Manager; it goes on when the gateway says so, or by pgherald resume template '
                    || h.name END
      FROM herald.holds h WHERE h.cause <> 'opt-out'
    UNION ALL
    SELECT 45, 'opted out', format('%s, the last at %s', count(*), herald.local_time(max(h.since))), NULL
      FROM herald.holds h WHERE h.cause = 'opt-out' HAVING count(*) > 0
    UNION ALL
    SELECT 50, 'sender ' || s.name,
           s.gateway || ', channel ' || s.channel || CASE WHEN s.enabled THEN '' ELSE ', not enabled' END
           || CASE WHEN y.is_well THEN ', well when asked at ' || herald.local_time(y.asked_at) ELSE '' END, NULL
      FROM herald.senders s LEFT JOIN herald.health y ON y.sender = s.name
    UNION ALL
    SELECT 51, 'senders', 'none', 'add one to herald.senders' WHERE NOT EXISTS (SELECT FROM herald.senders)
    UNION ALL
    -- Whose state the asking role may see: a superuser, or a member of pg_read_all_stats, sees everybody's.
    SELECT 55, 'old snapshot', format('%s holds one since %s', x.who, herald.local_time(x.since)),
           'as long as it does, rows that are done can''t be cleared away: ' || x.remedy
      FROM (SELECT format('process %s (%s, %s)', a.pid, coalesce(a.usename, a.backend_type),
                          coalesce(nullif(a.application_name, ''), a.state)) AS who,
                   a.xact_start AS since, format('end it, or SELECT pg_terminate_backend(%s)', a.pid) AS remedy
              FROM pg_stat_activity a WHERE a.backend_xmin IS NOT NULL AND a.backend_type <> 'autovacuum worker'
            UNION ALL
            SELECT format('prepared transaction "%s" (%s)', p.gid, p.owner), p.prepared, 'COMMIT PREPARED or ROLLBACK PREPARED'
              FROM pg_prepared_xacts p) x
     WHERE x.since < clock_timestamp() - herald.setting('old_snapshot')::interval
    UNION ALL
    SELECT 60, 'captured, not planned yet',
           format('%s events, the oldest from %s', count(*), herald.local_time(min(e.captured_at))), NULL
      FROM herald.events e HAVING count(*) > 0
) x
ORDER BY x.place, x.item;
COMMENT ON VIEW herald.status IS 'How things are; what needs a person says so in attention';
