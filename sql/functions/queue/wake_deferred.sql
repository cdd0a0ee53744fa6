-- herald.wake_deferred(): what a claim deferred for as long as a hold of a recipient or a template lasts is due again where
-- herald.ask_to_wake() was told that the hold has gone, and met anew: 20,000 at a time, as claims wait meanwhile. Called by
-- herald.turn() under its lock: the claim before it may still have seen the hold, the one after it does not.
CREATE OR REPLACE FUNCTION herald.wake_deferred() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    most CONSTANT int := 20000;
    names text[];
    woken bigint;
BEGIN
    WITH taken AS (
        DELETE FROM herald.wake_requests w
         WHERE w.ctid = ANY (ARRAY(SELECT r.ctid FROM herald.wake_requests r LIMIT 1000 FOR UPDATE SKIP LOCKED)) RETURNING w.name
    )
    SELECT array_agg(DISTINCT t.name) INTO names FROM taken t;
    UPDATE public.whatsapp_notifications n SET next_at = herald.not_below_floor(n.lane, n.created_at)
      FROM (SELECT w.id FROM herald.lanes l JOIN public.whatsapp_notifications w ON w.lane = l.id
             WHERE w.next_at = 'infinity' AND w.owner IS NULL AND NOT w.behind AND w.send_status = 'pending'
               AND (w.recipient = ANY (names) OR w.target = ANY (names) OR w.template = ANY (names))
             LIMIT most FOR NO KEY UPDATE OF w SKIP LOCKED) d
     WHERE n.id = d.id;
    GET DIAGNOSTICS woken = ROW_COUNT;
    IF woken = most THEN
        INSERT INTO herald.wake_requests (name) SELECT unnest(names);
    END IF;
END
$$;
