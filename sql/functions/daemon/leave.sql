-- herald.leave(node, incarnation, unsent): a daemon stops: what it claimed and did not send (attempt ids) goes back with no
-- attempt spent, and nobody need ring for it.
CREATE OR REPLACE FUNCTION herald.leave(node_name text, daemon_incarnation bigint, unsent bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    back bigint[];
BEGIN
    WITH given AS (
        UPDATE public.whatsapp_notifications n
           SET send_status = 'pending', owner = NULL, attempts = n.attempts - 1,
               next_at = herald.not_below_floor(n.lane, n.created_at)
         WHERE n.owner = daemon_incarnation AND n.attempt_id = ANY (unsent)
        RETURNING n.id
    )
    SELECT coalesce(array_agg(g.id), '{}') INTO back FROM given g;
    PERFORM herald.release_behind(back);
    UPDATE herald.listeners l SET asleep_until = '-infinity', seen_at = clock_timestamp()
     WHERE l.node = node_name AND l.incarnation = daemon_incarnation;
    UPDATE herald.incarnations i SET pid = NULL WHERE i.id = daemon_incarnation;
    IF cardinality(back) > 0 THEN
        PERFORM herald.ring_bell();
    END IF;
END
$$;
