-- herald.opt_in(target): takes an opt-out back; target as for herald.opt_out(). Messages that were suppressed meanwhile stay so;
-- herald.retry(id) sends one.
CREATE OR REPLACE FUNCTION herald.opt_in(target text) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT herald.opt(opt_in.target, 'resume', NULL);
$$;
