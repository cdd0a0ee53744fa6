-- herald.backstop(node, incarnation, asleep_sec, wakes): the look that a daemon takes every 30 s whether or not it was rung for: renews
-- its listener's row, notes how often it woke (herald.listeners.wakes), frees messages that wait behind one that a user deleted, forgets old counts and requests, and lets the history forget.
CREATE OR REPLACE FUNCTION herald.backstop(node_name text, daemon_incarnation bigint, asleep_sec int, daemon_wakes bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM herald.attend(node_name, daemon_incarnation, asleep_sec);
    UPDATE herald.listeners l SET wakes = daemon_wakes WHERE l.node = node_name;
    IF EXISTS (SELECT FROM public.whatsapp_notifications n WHERE n.behind)
       AND pg_try_advisory_xact_lock(hashtext('herald'), hashtext('claim')) THEN
        UPDATE public.whatsapp_notifications n SET behind = false, next_at = herald.not_below_floor(n.lane, n.next_at)
         WHERE n.id IN (SELECT min(b.id) FROM public.whatsapp_notifications b WHERE b.behind
                           AND NOT EXISTS (SELECT FROM public.whatsapp_notifications f WHERE f.owner IS NOT NULL AND f.target = b.target)
                         GROUP BY b.target);
    END IF;
    DELETE FROM herald.rechecks c USING herald.rules r WHERE r.name = c.rule AND NOT r.recheck AND r.digest IS NULL;
    DELETE FROM herald.counts c
     WHERE c.bucket < floor(extract(epoch FROM clock_timestamp()) / c.span_sec) - 65;
    PERFORM herald.retain();
END
$$;
