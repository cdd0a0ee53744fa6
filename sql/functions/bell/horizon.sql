-- herald.horizon(): a transaction id above that of every writer that looked before now: the second step of going to sleep, in a
-- transaction of its own after herald.attend() has committed. (pg_snapshot_xmax will not do: it is the last completed id plus one.)
CREATE OR REPLACE FUNCTION herald.horizon() RETURNS text
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT pg_current_xact_id()::text;
$$;
