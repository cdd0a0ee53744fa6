-- herald.release_behind(ids): these messages are in flight no more: the next one to each of their targets, which waited behind
-- them, may go. One that somebody has locked is left to herald.backstop().
CREATE OR REPLACE FUNCTION herald.release_behind(ids bigint[]) RETURNS void
LANGUAGE plpgsql
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM public.whatsapp_notifications n WHERE n.behind) THEN
        RETURN;
    END IF;
    UPDATE public.whatsapp_notifications n SET behind = false, next_at = herald.not_below_floor(n.lane, n.next_at)
     WHERE n.id IN (SELECT (SELECT b.id FROM public.whatsapp_notifications b
                             WHERE b.behind AND b.target = g.target ORDER BY b.id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
                      FROM public.whatsapp_notifications g WHERE g.id = ANY (ids));
END
$$;
