-- herald.recheck(rule): confirms what of the rule is due, or will be within half a minute (or is to be told with that), and was
-- not confirmed for so long: what its source holds no longer ends as 'cancelled' and gives its key back, so that the next
-- occurrence is new. At most 1,000 messages a lane, the first due ones; a claim asks again when it meets others
-- (herald.rechecks). Where a row of the source can't be evaluated, the others are confirmed all the same; what can't be
-- confirmed waits (herald.put_off()): who asks for recheck wants nothing told that may be over. Returns how many.
CREATE OR REPLACE FUNCTION herald.recheck(rule herald.rules) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    ids bigint[];
    keys text[];
    held record;
    why text;
BEGIN
    SELECT array_agg(d.id), array_agg(d.dedup_key) INTO ids, keys
      FROM herald.lanes l
     CROSS JOIN LATERAL (
           SELECT n.id, n.dedup_key FROM public.whatsapp_notifications n
            WHERE n.lane = l.id AND n.owner IS NULL AND NOT n.behind AND n.send_status = 'pending' AND n.part_of IS NULL
              AND n.next_at >= l.floor AND n.next_at <= moment + CASE WHEN n.error IS NULL THEN coalesce(rule.digest, '30 s')
                                                                      ELSE '30 s' END
              AND coalesce(n.confirmed_at, n.created_at) < moment - interval '30 s'
            ORDER BY n.next_at, n.id LIMIT 1000) d
     WHERE l.rule = rule.name;
    IF ids IS NULL THEN
        RETURN 0;
    END IF;
    BEGIN
        EXECUTE format('SELECT herald.%I($1) AS still, ''{}''::text[] AS unknown, ''{}''::text[] AS errors', 'still_' || rule.id)
            INTO held USING keys;
    EXCEPTION WHEN OTHERS THEN
        IF NOT herald.error_is_of_row(SQLSTATE) THEN
            RAISE;
        END IF;
        BEGIN
            EXECUTE format('SELECT herald.%I(''{}'')', 'still_' || rule.id);
        EXCEPTION WHEN OTHERS THEN
            why := SQLERRM || ' (SQLSTATE ' || SQLSTATE || ')';
        END;
        held := herald.still_held(rule, keys, why);
    END;
    -- A person may have cancelled or sent it meanwhile, or be about to: what somebody has locked is asked for again.
    SELECT coalesce(array_agg(o.id), '{}'), coalesce(array_agg(o.dedup_key), '{}') INTO ids, keys
      FROM (SELECT n.id, n.dedup_key FROM public.whatsapp_notifications n
             WHERE n.id = ANY (ids) AND n.send_status = 'pending' AND n.owner IS NULL ORDER BY n.id
               FOR NO KEY UPDATE SKIP LOCKED) o;
    UPDATE public.whatsapp_notifications n
       SET confirmed_at = moment, error = CASE WHEN starts_with(n.error, 'not confirmed: ') IS NOT TRUE THEN n.error END
     WHERE n.id = ANY (ids) AND n.dedup_key = ANY (held.still);
    UPDATE public.whatsapp_notifications n
       SET send_status = 'cancelled', next_at = NULL, dedup_key = NULL,
           error = format('no longer true: %s does not hold "%s" any more; its next occurrence is a new message', rule.source,
                          n.dedup_key)
     WHERE n.id = ANY (ids) AND n.dedup_key <> ALL (held.still || held.unknown);
    PERFORM herald.cancel_parts(n.id) FROM public.whatsapp_notifications n
      WHERE n.id = ANY (ids) AND n.send_status = 'cancelled' AND n.next_part IS NOT NULL;
    PERFORM herald.put_off(rule.name, array_agg(u.id), array_agg(e.why))
       FROM unnest(ids, keys) u (id, dedup_key) JOIN unnest(held.unknown, held.errors) e (dedup_key, why)
           ON e.dedup_key = u.dedup_key;
    RETURN cardinality(held.unknown);
END
$$;
