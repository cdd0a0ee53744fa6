-- herald.explain(id): why it was, or wasn't, or isn't yet sent: a line a fact, in order of time; what is true now comes last,
-- with the time at NULL.
CREATE OR REPLACE FUNCTION herald.explain(id bigint) RETURNS TABLE (at text, what text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    n public.whatsapp_notifications;
BEGIN
    SELECT w.* INTO n FROM public.whatsapp_notifications w WHERE w.id = explain.id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no notification %', explain.id USING HINT = 'pgherald list shows what there is.';
    END IF;
    RETURN QUERY
        SELECT herald.local_time(f.at), f.what FROM (
            SELECT n.created_at AS at, 0 AS place,
                   CASE WHEN n.rule IS NULL AND n.part_of IS NULL THEN 'sent by hand or by herald.send()'
                        WHEN n.part_of IS NOT NULL THEN format('a part of notification %s', n.part_of)
                        WHEN n.rule = 'fallback' THEN format('in place of notification %s, which failed',
                                                             split_part(n.dedup_key, '/', 1))
                        ELSE format('planned by rule "%s", key "%s"', n.rule, n.dedup_key) END
                   || coalesce(format(', for "%s"', n.recipient), '') AS what
            UNION ALL
            SELECT a.at, 1, format('attempt %s by %s: %s', a.attempt_id, coalesce(a.sender, 'nobody'),
                   CASE a.outcome WHEN 'rejected' THEN 'refused by the gateway'
                                  WHEN 'wait' THEN CASE a.scope WHEN 'message' THEN 'not taken, to be tried again'
                                                       ELSE format('not taken, and the %s waits; no attempt spent', a.scope) END
                                  WHEN 'in_doubt' THEN 'in doubt: it may have been taken'
                                  ELSE a.outcome END)
                   || coalesce(format(' (HTTP %s)', nullif(a.response_code, 0)), '') || coalesce(': ' || a.error, '')
              FROM herald.attempts a WHERE a.notification_id = n.id AND a.at >= n.created_at
            UNION ALL SELECT n.resent_at, 2, 'sent again after the grace: it may have arrived twice' WHERE n.resent_at IS NOT NULL
            UNION ALL SELECT n.sent_at, 3, format('accepted by %s, message id %s', n.sender, coalesce(n.message_id, 'none given'))
                WHERE n.sent_at IS NOT NULL
            UNION ALL SELECT n.doubled_at, 4, 'it was learned that it arrived twice' WHERE n.doubled_at IS NOT NULL
            UNION ALL SELECT f.created_at, 5, format('told by %s instead: notification %s (%s)', f.channel, f.id, f.send_status)
              FROM public.whatsapp_notifications f
                  WHERE f.rule = 'fallback' AND f.dedup_key >= n.id || '/' AND f.dedup_key < n.id || '0'
            UNION ALL SELECT n.delivered_at, 5, 'delivered' WHERE n.delivered_at IS NOT NULL
            UNION ALL SELECT n.read_at, 6, 'read' WHERE n.read_at IS NOT NULL
        ) f ORDER BY f.at, f.place;
    RETURN QUERY SELECT NULL::text, s FROM herald.explain_now(n) s;
END
$$;
