-- herald.retry_all(status, rule): herald.retry() for every notification of that status ('failed', 'suppressed', 'cancelled',
-- 'expired', 'in_doubt'), of one rule or (NULL) of all. What can't be sent stays as it is; so does what was told with others in
-- a digest or discarded by a person, and a part whose message was not sent, as it follows that by itself. Returns how many are
-- retried.
CREATE OR REPLACE FUNCTION herald.retry_all(status text, rule text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    one bigint;
    retried bigint := 0;
BEGIN
    IF status NOT IN ('failed', 'suppressed', 'cancelled', 'expired', 'in_doubt') THEN
        RAISE EXCEPTION 'status "%" can''t be retried as a whole', status
            USING HINT = 'failed, suppressed, cancelled, expired or in_doubt can; a single message by its id.';
    END IF;
    FOR one IN SELECT n.id FROM public.whatsapp_notifications n
                WHERE n.send_status = status AND (retry_all.rule IS NULL OR n.rule = retry_all.rule)
                  AND n.digest_id IS NULL AND starts_with(n.error, 'discarded ') IS NOT TRUE
                  AND (n.part_of IS NULL OR EXISTS (SELECT FROM public.whatsapp_notifications m
                                                     WHERE m.id = n.part_of AND m.send_status IN ('sent', 'delivered', 'read')))
                ORDER BY n.id LOOP
        BEGIN
            PERFORM herald.retry(one);
            retried := retried + 1;
        EXCEPTION WHEN raise_exception THEN
            NULL;  -- its reason is in its row already
        END;
    END LOOP;
    RETURN retried;
END
$$;
