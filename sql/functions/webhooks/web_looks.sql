-- herald.web_looks(is_new): `pgherald web` looks, every few seconds: applies the receipts that came before the answer of their
-- message, and says that it is there, so that receipts can come. is_new: it was away before, be it from the database only. What
-- has not looked for ten seconds was away too.
CREATE OR REPLACE FUNCTION herald.web_looks(is_new boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    moment timestamptz := clock_timestamp();
BEGIN
    PERFORM herald.apply_early(NULL, NULL);
    -- Last, since a turn may wait for its lock.
    UPDATE herald.web w
       SET up_since = CASE WHEN is_new OR w.seen_at < moment - interval '10 s' THEN moment ELSE w.up_since END, seen_at = moment
     WHERE is_new OR w.seen_at < moment - interval '1 s';
END
$$;
