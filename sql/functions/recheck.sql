-- herald.recheck(rule): confirms what of the rule is due, or will be within half a minute (or is to be told with that), and was not confirmed for so long: what
-- its source holds no longer ends as 'cancelled' and gives its key back, so that the next occurrence is new. At most 1,000
-- messages a lane, the first due ones; a claim asks again when it meets others (herald.rechecks).
CREATE OR REPLACE FUNCTION herald.recheck(rule herald.rules) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    ids bigint[];
    keys text[];
    still text[];
BEGIN
    SELECT array_agg(d.id), array_agg(d.dedup_key) INTO ids, keys
      FROM herald.lanes l
     CROSS JOIN LATERAL (
           SELECT n.id, n.dedup_key FROM public.whatsapp_notifications n
            WHERE n.lane = l.id AND n.owner IS NULL AND NOT n.behind AND n.send_status = 'pending' AND n.part_of IS NULL
              AND n.next_at >= l.floor AND n.next_at <= moment + coalesce(rule.digest, '30 s') AND coalesce(n.confirmed_at, n.created_at) < moment - interval '30 s'
            ORDER BY n.next_at, n.id LIMIT 1000) d
     WHERE l.rule = rule.name;
    IF ids IS NULL THEN
        RETURN;
    END IF;
    EXECUTE format('SELECT herald.%I($1)', 'still_' || rule.id) INTO still USING keys;
    -- A person may have cancelled or sent it meanwhile.
    UPDATE public.whatsapp_notifications n SET confirmed_at = moment
     WHERE n.id = ANY (ids) AND n.dedup_key = ANY (still) AND n.send_status = 'pending' AND n.owner IS NULL;
    UPDATE public.whatsapp_notifications n
       SET send_status = 'cancelled', next_at = NULL, dedup_key = NULL,
           error = format('no longer true: %s does not hold "%s" any more; its next occurrence is a new message', rule.source, n.dedup_key)
     WHERE n.id = ANY (ids) AND n.dedup_key <> ALL (still) AND n.send_status = 'pending' AND n.owner IS NULL;
    PERFORM herald.cancel_parts(n.id) FROM public.whatsapp_notifications n
      WHERE n.id = ANY (ids) AND n.send_status = 'cancelled' AND n.next_part IS NOT NULL;
END
$$;
