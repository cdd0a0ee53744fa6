-- herald.is_due(): whether a claim would meet anything: a due row in some lane, or a lease that has ended. A cheap look, without
-- regard to holds and limits.
CREATE OR REPLACE FUNCTION herald.is_due() RETURNS boolean
LANGUAGE plpgsql
AS $$
DECLARE
    moment timestamptz := clock_timestamp();
BEGIN
    RETURN EXISTS (SELECT FROM herald.lanes l
                    WHERE EXISTS (SELECT FROM public.whatsapp_notifications n
                                   WHERE n.lane = l.id AND n.next_at BETWEEN l.floor AND moment AND n.owner IS NULL
                                     AND NOT n.behind OFFSET 0))
        OR EXISTS (SELECT FROM public.whatsapp_notifications n
                    WHERE n.owner IS NOT NULL AND n.attempt_id >= (SELECT f.attempt_id FROM herald.floors f)
                      AND n.next_at <= moment);
END
$$;
