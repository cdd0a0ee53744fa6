-- herald.fall_back(ids): these messages have failed for good: those whose channel has a fallback are captured for the rule
-- "fallback". Who has opted out is not told elsewhere.
CREATE OR REPLACE FUNCTION herald.fall_back(ids bigint[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO herald.events (rule, key)
    SELECT 'fallback', n.id::text
      FROM public.whatsapp_notifications n
      JOIN herald.channels c ON c.name = n.channel AND c.fallback IS NOT NULL
     WHERE n.id = ANY (ids) AND n.send_status = 'failed'
       AND NOT EXISTS (SELECT FROM herald.holds h
                       WHERE h.kind = 'recipient' AND h.cause = 'opt-out' AND h.name IN (n.target, n.recipient));
END
$$;
