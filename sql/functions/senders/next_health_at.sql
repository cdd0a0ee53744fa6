-- herald.next_health_at(): when a sender that is well is asked next.
CREATE OR REPLACE FUNCTION herald.next_health_at() RETURNS timestamptz
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(clock_timestamp() + nullif(herald.setting('health_interval'), '')::interval, 'infinity');
$$;
