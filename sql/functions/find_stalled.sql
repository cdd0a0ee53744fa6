-- herald.find_stalled(): senders that accept messages and have acknowledged none within acknowledge_limit, though their gateway used
-- to: what they accepted since is in doubt, once, and they are held until one is acknowledged. Their messages are looked for among the 100,000
-- newest. Yields ('held', sender, why).
CREATE OR REPLACE FUNCTION herald.find_stalled() RETURNS TABLE (what text, sender text, reason text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    moment timestamptz := clock_timestamp();
    patience interval := herald.setting('acknowledge_limit');
    stalled record;
BEGIN
    FOR stalled IN
        SELECT s.sender, s.acknowledge_by - patience AS since FROM herald.sender_state s
         WHERE s.acknowledge_by <= moment FOR NO KEY UPDATE SKIP LOCKED LOOP
        UPDATE herald.sender_state s SET acknowledge_by = NULL WHERE s.sender = stalled.sender;
        WITH doubted AS (
            UPDATE public.whatsapp_notifications n
               SET send_status = 'in_doubt', error = 'accepted, and never acknowledged by its gateway',
                   next_at = moment + coalesce((SELECT r.in_doubt_grace FROM herald.rules r WHERE r.name = n.rule), '10 s')
             WHERE n.id IN (SELECT w.id FROM public.whatsapp_notifications w
                             WHERE w.id > (SELECT max(m.id) FROM public.whatsapp_notifications m) - 100000
                               AND w.sender = stalled.sender AND w.send_status = 'sent' AND w.sent_at >= stalled.since AND w.resends = 0
                               FOR NO KEY UPDATE SKIP LOCKED)
            RETURNING n.id, n.attempt_id, n.sender, n.error
        )
        INSERT INTO herald.attempts (attempt_id, notification_id, sender, outcome, error)
        SELECT d.attempt_id, d.id, d.sender, 'in_doubt', d.error FROM doubted d WHERE d.attempt_id IS NOT NULL
        ON CONFLICT (attempt_id) DO UPDATE SET outcome = herald.attempts.outcome || ', then in_doubt';
        RETURN QUERY SELECT h.* FROM herald.hold_sender(stalled.sender, NULL,
            format('it accepts messages, and has acknowledged none for %s', patience), 'receipt') h;
    END LOOP;
END
$$;
