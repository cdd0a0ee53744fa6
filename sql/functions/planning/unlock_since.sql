-- herald.unlock_since(held): ends what a view's functions have taken of session-level advisory locks in an operator's session,
-- which outlive all else that they do. held: the locks that the session had before, as herald.advisory_locks() told.
CREATE OR REPLACE FUNCTION herald.unlock_since(held text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    taken text;
BEGIN
    FOREACH taken IN ARRAY ARRAY(SELECT unnest(herald.advisory_locks()) EXCEPT SELECT unnest(held)) LOOP
        EXECUTE 'SELECT pg_catalog.' || taken;
    END LOOP;
END
$$;
