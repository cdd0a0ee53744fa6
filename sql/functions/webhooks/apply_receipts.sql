-- herald.apply_receipts(…): moves the rows found_ids, which the caller has locked, as their receipts say (NULL and 0: none). See
-- herald.receive() for the other arrays.
--
-- What holds of a receipt: it is about the message whose id the row has. Where the row has none, as its attempt's answer was
-- never understood, the echoed attempt tells, and herald.settle_late() records it as an answer that came late.
--
-- Not every part of a group gets a message at once, and parts of a request overtake each other: the furthest counts, and 'failed'
-- only for a message of which nothing further than 'sent' is known.
CREATE OR REPLACE FUNCTION herald.apply_receipts(
    found_ids bigint[],
    message_ids text[],
    attempt_ids bigint[],
    statuses text[],
    moments timestamptz[],
    errors text[]
) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    one record;
    parts bigint[];
    delivered_secs float8[];
    read_secs float8[];
    senders text[];
BEGIN
    -- A person who asks for a message once more (attempts is 0 again) is not contradicted by what became of the first one.
    FOR one IN SELECT n.id, u.attempt_id, min(u.message_id) AS message_id, bool_or(u.status <> 'failed') AS is_taken,
                      min(u.error) AS error
                 FROM unnest(found_ids, message_ids, attempt_ids, statuses, errors)
                      u (found_id, message_id, attempt_id, status, error)
                 JOIN public.whatsapp_notifications n ON n.id = u.found_id
                WHERE n.message_id IS DISTINCT FROM u.message_id
                  AND CASE n.send_status WHEN 'pending' THEN n.attempts > 0 OR n.resends > 0 ELSE true END
                  AND (n.attempt_id = u.attempt_id
                       AND (n.send_status IN ('in_doubt', 'pending', 'suppressed', 'cancelled', 'expired')
                            OR n.send_status = 'failed' AND u.status IN ('delivered', 'read'))
                       OR n.attempt_id > u.attempt_id AND u.status <> 'failed' AND n.doubled_at IS NULL)
                GROUP BY n.id, u.attempt_id ORDER BY n.id, u.attempt_id LOOP
        PERFORM herald.settle_late(one.id, one.attempt_id, CASE WHEN one.is_taken THEN 'accepted' ELSE 'rejected' END, NULL,
                                   one.message_id, NULL, CASE WHEN NOT one.is_taken THEN one.error END, true);
    END LOOP;

    -- It had not failed after all; or it was in doubt for want of this receipt, and perhaps about to be sent again.
    WITH settled AS (
    UPDATE public.whatsapp_notifications n
       SET send_status = 'sent', error = NULL, next_at = NULL, behind = false,
           resends = n.resends - (n.send_status = 'pending')::int,
           resent_at = CASE WHEN n.send_status = 'pending' AND n.resends = 1 THEN NULL ELSE n.resent_at END
      FROM unnest(found_ids, message_ids, statuses) u (found_id, message_id, status)
     WHERE n.id = u.found_id AND n.message_id = u.message_id
       AND (n.send_status = 'failed' AND u.status IN ('delivered', 'read')
            OR u.status <> 'failed' AND (n.send_status IN ('in_doubt', 'suppressed', 'cancelled', 'expired')
                                         OR n.send_status = 'pending' AND n.resends > 0))
    RETURNING n.next_part, n.sender
    )
    SELECT array_agg(s.next_part), array_agg(s.sender) INTO parts, senders FROM settled s WHERE s.next_part IS NOT NULL;
    PERFORM herald.send_parts(parts, senders, false) WHERE parts IS NOT NULL;

    -- Of a message before this one, which came while this one was in flight.
    IF array_position(attempt_ids, NULL) > 0 THEN
        UPDATE public.whatsapp_notifications n
           SET doubled_at = moment, error = format('sent twice: that it had arrived was told after attempt %s had begun',
                                                   n.attempt_id)
          FROM unnest(found_ids, message_ids, attempt_ids, statuses) u (found_id, message_id, attempt_id, status)
         WHERE n.id = u.found_id AND n.message_id <> u.message_id AND u.attempt_id IS NULL AND u.status <> 'failed'
           AND n.send_status IN ('sent', 'delivered', 'read') AND n.doubled_at IS NULL;
    END IF;

    WITH moved AS (
    UPDATE public.whatsapp_notifications n
       SET send_status = CASE r.furthest WHEN 3 THEN 'read' WHEN 2 THEN 'delivered' ELSE 'failed' END,
           -- Theirs are whole seconds.
           delivered_at = CASE WHEN r.furthest >= 2
                               THEN coalesce(n.delivered_at, least(greatest(r.delivered_at, n.sent_at), moment)) END,
           read_at = CASE WHEN r.furthest = 3 THEN least(greatest(r.read_at, n.delivered_at, n.sent_at), moment) END,
           error = CASE WHEN r.furthest >= 2 THEN n.error ELSE r.error END
      FROM (SELECT u.found_id, u.message_id, max(f.rank) AS furthest, min(u.error) AS error,
                   bool_or(u.status = 'failed') AS has_failed,
                   min(u.at) FILTER (WHERE f.rank >= 2) AS delivered_at, min(u.at) FILTER (WHERE f.rank = 3) AS read_at
              FROM unnest(found_ids, message_ids, statuses, moments, errors) u (found_id, message_id, status, at, error)
             CROSS JOIN LATERAL (SELECT CASE u.status WHEN 'read' THEN 3 WHEN 'delivered' THEN 2 ELSE 1 END AS rank) f
             WHERE u.found_id > 0 GROUP BY 1, 2) r
      JOIN public.whatsapp_notifications o ON o.id = r.found_id
     WHERE n.id = r.found_id AND n.message_id = r.message_id
       AND (n.send_status = 'sent' AND (r.furthest >= 2 OR r.has_failed) OR n.send_status = 'delivered' AND r.furthest = 3)
    RETURNING CASE WHEN o.delivered_at IS NULL THEN extract(epoch FROM n.delivered_at - n.created_at)::float8 END AS delivered,
              extract(epoch FROM n.read_at - n.created_at)::float8 AS read
    )
    SELECT array_agg(m.delivered) FILTER (WHERE m.delivered IS NOT NULL), array_agg(m.read) FILTER (WHERE m.read IS NOT NULL)
      INTO delivered_secs, read_secs FROM moved m;
    PERFORM herald.count_latencies(s.stage, s.secs)
       FROM (VALUES ('delivered', delivered_secs), ('read', read_secs)) s (stage, secs) WHERE s.secs IS NOT NULL;

    IF 'failed' = ANY (statuses) THEN
        PERFORM herald.fall_back(ARRAY(SELECT DISTINCT u.found_id FROM unnest(found_ids, statuses) u (found_id, status)
                                       WHERE u.status = 'failed'));
        PERFORM herald.ring_bell();
    END IF;
END
$$;
