-- herald.explain_now(notification): what is true of it now, in sentences: its state, and everything that it waits for.
CREATE OR REPLACE FUNCTION herald.explain_now(n public.whatsapp_notifications) RETURNS SETOF text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    lane herald.lanes;
    h herald.holds;
BEGIN
    RETURN NEXT CASE n.send_status
        WHEN 'pending' THEN CASE WHEN n.error LIKE 'not confirmed: %'
                                 THEN format('its rule''s source is asked at %s whether it still holds it; %s',
                                             herald.local_time(n.next_at), n.error)
                                 WHEN n.gathers
                                 THEN 'it waits to be told with others of its rule, at ' || herald.local_time(n.next_at)
                                 WHEN n.part_of IS NOT NULL AND n.next_at = n.expires_at
                                 THEN 'it waits until what comes before it was accepted'
                                 WHEN n.behind THEN 'it waits for the message to the same recipient that is in flight'
                                 WHEN n.next_at = 'infinity' THEN 'it waits until what holds it is resumed'
                                 WHEN n.next_at > moment THEN 'it is due at ' || herald.local_time(n.next_at)
                                 ELSE 'it is due' END
        WHEN 'sending' THEN 'its request has left; an answer is awaited until ' || herald.local_time(n.next_at)
        WHEN 'in_doubt' THEN CASE WHEN n.next_at IS NULL
                                  THEN 'it may have been sent; a person must decide: pgherald retry or cancel'
                                  ELSE 'it may have been sent; its rule''s policy decides at ' || herald.local_time(n.next_at) END
        WHEN 'sent' THEN 'the gateway has it; no receipt has come yet'
        ELSE n.send_status || coalesce(': ' || n.error, '') END;
    RETURN QUERY
        SELECT format('%s has opted out (%s, since %s)', x.name, x.reason, herald.local_time(x.since))
               || CASE WHEN n.send_status = 'suppressed' THEN '; herald.opt_in() takes that back'
                       ELSE ': it ends as suppressed when its turn comes' END
          FROM herald.holds x
         WHERE x.kind = 'recipient' AND x.cause = 'opt-out' AND x.name IN (n.target, n.recipient)
           AND (n.send_status IN ('pending', 'in_doubt') AND n.next_at IS NOT NULL OR n.send_status = 'suppressed');
    IF n.send_status NOT IN ('pending', 'in_doubt') OR n.next_at IS NULL THEN
        RETURN;
    END IF;
    SELECT l.* INTO lane FROM herald.lanes l WHERE l.id = n.lane;
    FOR h IN SELECT x.* FROM herald.holds x
              WHERE (x.kind = 'all' OR x.kind = 'rule' AND x.name = n.rule OR x.kind = 'channel' AND x.name = n.channel
                     OR x.kind = 'template' AND x.name = n.template AND herald.holds_lane(x.app_secrets, n.lane)
                     OR x.kind = 'sender' AND (x.name = lane.sender
                        OR lane.sender IS NULL AND x.name IN (SELECT s.name FROM herald.senders s
                                                              WHERE s.enabled AND s.channel = n.channel))
                     OR x.kind = 'recipient' AND x.cause <> 'opt-out' AND x.name IN (n.target, n.recipient))
                AND (x.until IS NULL OR x.until > moment) LOOP
        RETURN NEXT format('%s is held (%s, by %s): %s%s', h.kind || CASE h.name WHEN '' THEN '' ELSE ' "' || h.name || '"' END,
                           h.cause, h.who, h.reason, coalesce('; until ' || herald.local_time(h.until), ''));
    END LOOP;
    RETURN QUERY
        SELECT 'its recipient has quiet hours until ' || herald.local_time(q.until)
          FROM herald.recipients p CROSS JOIN LATERAL (SELECT herald.quiet_until(p, moment) AS until) q
         WHERE (p.name = n.recipient OR p.address = n.target) AND p.channel = n.channel AND p.quiet_hours IS NOT NULL
           AND q.until IS NOT NULL
           AND NOT EXISTS (SELECT FROM herald.rules r WHERE r.name = n.rule AND r.urgent);
    RETURN QUERY
        SELECT 'it waits until its rule''s source has confirmed that it is still true'
          FROM herald.rechecks c WHERE c.rule = n.rule LIMIT 1;
    IF NOT EXISTS (SELECT FROM herald.senders s WHERE s.enabled AND s.channel = n.channel
                   AND (lane.sender IS NULL OR s.name = lane.sender)) THEN
        RETURN NEXT CASE WHEN lane.sender IS NULL THEN format('no sender of channel "%s" is enabled', n.channel)
                         ELSE format('its sender "%s" does not exist or is not enabled', lane.sender) END;
    ELSE
        RETURN QUERY
            SELECT e.* FROM herald.senders s CROSS JOIN LATERAL herald.explain_sender(s, moment) e
             WHERE s.enabled AND s.channel = n.channel AND (lane.sender IS NULL OR s.name = lane.sender)
             ORDER BY s.priority DESC, s.name;
    END IF;
    IF NOT EXISTS (SELECT FROM herald.listeners l WHERE l.seen_at > moment - interval '2 min') THEN
        RETURN NEXT 'no daemon has been seen for two minutes: is pgherald running?';
    END IF;
END
$$;
