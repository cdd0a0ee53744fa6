-- herald.put_in_doubt(ids, why): rows in flight whose outcome nobody will report go in doubt; after their rule's grace its
-- policy decides. Keeps an attempt record of each. Returns how many.
CREATE OR REPLACE FUNCTION herald.put_in_doubt(ids bigint[], why text) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    doubted bigint;
BEGIN
    IF cardinality(ids) = 0 THEN
        RETURN 0;
    END IF;
    INSERT INTO herald.attempts (attempt_id, notification_id, sender, outcome, error, incarnation)
    SELECT n.attempt_id, n.id, n.sender, 'in_doubt', why, n.owner
      FROM public.whatsapp_notifications n WHERE n.id = ANY (ids) AND n.owner IS NOT NULL
    ON CONFLICT DO NOTHING;
    UPDATE public.whatsapp_notifications n
       SET send_status = 'in_doubt', owner = NULL, error = why,
           next_at = moment + coalesce((SELECT r.in_doubt_grace FROM herald.rules r WHERE r.name = n.rule), '10 s')
     WHERE n.id = ANY (ids) AND n.owner IS NOT NULL;
    GET DIAGNOSTICS doubted = ROW_COUNT;
    PERFORM herald.release_behind(ids);
    RETURN doubted;
END
$$;
