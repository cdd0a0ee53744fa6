-- herald.rescue(moment): rows whose lease has ended are in doubt: their daemon died, or is cut off. Not within one lease of the
-- server's own start, when every daemon was cut off. Returns how many.
CREATE OR REPLACE FUNCTION herald.rescue(moment timestamptz) RETURNS bigint
LANGUAGE plpgsql
AS $$
BEGIN
    IF pg_postmaster_start_time() + herald.lease() > moment THEN
        RETURN 0;
    END IF;
    RETURN herald.put_in_doubt(ARRAY(
        SELECT n.id FROM public.whatsapp_notifications n
         WHERE n.owner IS NOT NULL AND n.attempt_id >= (SELECT f.attempt_id FROM herald.floors f) AND n.next_at <= moment
           FOR NO KEY UPDATE SKIP LOCKED),
        'its daemon did not report within the lease: it died, or was cut off from the database');
END
$$;
