-- herald.settle_late(…): an outcome for an attempt that the row does not have in flight any more. Never dropped: it settles a row
-- that is in doubt or waits to be sent again, or the row says that it was doubled.
CREATE OR REPLACE FUNCTION herald.settle_late(
    the_id bigint,
    the_attempt_id bigint,
    outcome text,
    code int,
    gateway_message_id text,
    reply_body text,
    why text,
    is_receipt boolean DEFAULT false
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    n public.whatsapp_notifications;
    is_earlier boolean;
    is_spared boolean;
BEGIN
    SELECT w.* INTO n FROM public.whatsapp_notifications w WHERE w.id = the_id FOR NO KEY UPDATE;
    IF NOT FOUND OR n.attempt_id IS NULL OR n.attempt_id < the_attempt_id
       OR (n.attempt_id = the_attempt_id AND n.send_status IN ('sent', 'delivered', 'read')) THEN
        RETURN;  -- another row has taken the id, or it is recorded already
    END IF;
    is_earlier := n.attempt_id > the_attempt_id;
    is_spared := NOT is_earlier AND n.send_status = 'pending' AND n.resends > 0;
    IF is_earlier AND NOT EXISTS (SELECT FROM herald.attempts a
                                   WHERE a.attempt_id = the_attempt_id AND a.notification_id = the_id AND a.at >= n.created_at) THEN
        RETURN;  -- every attempt that a row has left behind is recorded: this one was of another row, which had the id before
    END IF;
    IF outcome = 'accepted' AND n.send_status IN ('in_doubt', 'pending', 'failed', 'suppressed', 'cancelled', 'expired')
        AND n.owner IS NULL THEN
        UPDATE public.whatsapp_notifications w
           SET send_status = 'sent', sent_at = moment, next_at = NULL, behind = false, response_code = code,
               response_body = reply_body, message_id = gateway_message_id,
               error = CASE WHEN is_earlier THEN 'accepted at an earlier attempt; a later one may have been accepted too' END,
               doubled_at = CASE WHEN is_earlier AND n.send_status = 'in_doubt' THEN moment ELSE w.doubled_at END,
               -- Where it was about to be sent again, it will not be.
               resends = w.resends - is_spared::int, resent_at = CASE WHEN is_spared AND w.resends = 1 THEN NULL
                                                                      ELSE w.resent_at END
         WHERE w.id = the_id;
        PERFORM herald.send_parts(ARRAY[n.next_part], ARRAY[n.sender], NOT is_receipt) WHERE n.next_part IS NOT NULL;
    ELSIF outcome = 'accepted' THEN
        UPDATE public.whatsapp_notifications w
           SET doubled_at = moment, error = format('sent twice: attempt %s was accepted after attempt %s had begun',
                                                   the_attempt_id, n.attempt_id)
         WHERE w.id = the_id;
    ELSIF outcome = 'rejected' AND n.attempt_id = the_attempt_id AND n.send_status IN ('in_doubt', 'pending') THEN
        UPDATE public.whatsapp_notifications w
           SET send_status = 'failed', next_at = NULL, behind = false, response_code = code, response_body = reply_body, error = why
         WHERE w.id = the_id;
        PERFORM herald.cancel_parts(the_id) WHERE n.next_part IS NOT NULL AND n.part_of IS NULL;
        PERFORM herald.send_parts(ARRAY[n.next_part], ARRAY[n.sender], NOT is_receipt)
            WHERE n.next_part IS NOT NULL AND n.part_of IS NOT NULL;
        PERFORM herald.fall_back(ARRAY[the_id]);
    ELSIF outcome = 'wait' AND n.attempt_id = the_attempt_id AND n.send_status = 'in_doubt' THEN
        -- Certainly not taken, as is known now.
        UPDATE public.whatsapp_notifications w
           SET send_status = 'pending', next_at = moment + herald.backoff(n.attempts), error = why
         WHERE w.id = the_id;
    END IF;
    INSERT INTO herald.attempts (attempt_id, notification_id, sender, outcome, response_code, response_body, error)
    VALUES (the_attempt_id, the_id, n.sender, 'late: ' || outcome, code, reply_body, why)
    ON CONFLICT (attempt_id) DO UPDATE SET outcome = herald.attempts.outcome || ', then ' || EXCLUDED.outcome, at = EXCLUDED.at;
END
$$;
