-- herald.advisory_locks(): the advisory locks that this session holds, each as the call that ends it.
CREATE OR REPLACE FUNCTION herald.advisory_locks() RETURNS text[]
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT ARRAY(SELECT format('pg_advisory_unlock%s(%s)', CASE l.mode WHEN 'ShareLock' THEN '_shared' END,
                               CASE l.objsubid WHEN 1 THEN ((l.classid::bigint << 32) | l.objid::bigint)::text
                                    ELSE format('%s, %s', l.classid::bigint::bit(32)::int, l.objid::bigint::bit(32)::int) END)
                   FROM pg_locks l WHERE l.locktype = 'advisory' AND l.pid = pg_backend_pid() AND l.granted);
$$;
