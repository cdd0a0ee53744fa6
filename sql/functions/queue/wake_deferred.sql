-- herald.wake_deferred(names, most): what a claim deferred for as long as a hold of these recipients or templates lasts is due
-- again, and met anew; at most so many (NULL: all). Returns how many were woken. To be called when the holds have gone. Waits
-- for the claim that is under way, which may still see them; with its lock held, none begins before they are gone for it too.
CREATE OR REPLACE FUNCTION herald.wake_deferred(names text[], most int) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    woken bigint;
BEGIN
    LOCK TABLE herald.claim_lock IN EXCLUSIVE MODE;
    UPDATE public.whatsapp_notifications n SET next_at = herald.not_below_floor(n.lane, n.created_at)
      FROM (SELECT w.id FROM herald.lanes l JOIN public.whatsapp_notifications w ON w.lane = l.id
             WHERE w.next_at = 'infinity' AND w.owner IS NULL AND NOT w.behind AND w.send_status = 'pending'
               AND (w.recipient = ANY (names) OR w.target = ANY (names) OR w.template = ANY (names))
             LIMIT most) d
     WHERE n.id = d.id;
    GET DIAGNOSTICS woken = ROW_COUNT;
    RETURN woken;
END
$$;
