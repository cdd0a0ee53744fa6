-- herald.locked_rows(ids): which of these rows somebody else has locked, or the part that waits for one of them; the others are
-- locked from here on. herald.turn() leaves the outcomes of those to a later turn: a transaction that somebody keeps open must
-- not keep everybody's outcomes from being recorded.
CREATE OR REPLACE FUNCTION herald.locked_rows(ids bigint[]) RETURNS bigint[]
LANGUAGE plpgsql
AS $$
DECLARE
    free bigint[];
    parts bigint[];
    free_parts bigint[];
BEGIN
    SELECT array_agg(l.id), array_agg(l.next_part) FILTER (WHERE l.next_part IS NOT NULL) INTO free, parts
      FROM (SELECT n.id, n.next_part FROM public.whatsapp_notifications n
             WHERE n.id = ANY (ids) ORDER BY n.id FOR NO KEY UPDATE SKIP LOCKED) l;
    IF cardinality(free) = cardinality(ids) AND parts IS NULL THEN
        RETURN '{}';
    END IF;
    SELECT array_agg(l.id) INTO free_parts
      FROM (SELECT n.id FROM public.whatsapp_notifications n
             WHERE n.id = ANY (parts) ORDER BY n.id FOR NO KEY UPDATE SKIP LOCKED) l;
    RETURN ARRAY(SELECT n.id FROM public.whatsapp_notifications n
                  WHERE n.id = ANY (ids)
                    AND (n.id = ANY (free) IS NOT TRUE OR n.next_part = ANY (parts)
                         AND n.next_part = ANY (free_parts) IS NOT TRUE));
END
$$;
