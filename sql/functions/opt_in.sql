-- herald.opt_in(target): takes an opt-out back. Messages that were suppressed meanwhile stay so; herald.retry(id) sends one.
CREATE OR REPLACE FUNCTION herald.opt_in(target text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM herald.holds h WHERE h.kind = 'recipient' AND h.name = target AND h.cause = 'opt-out';
END
$$;
