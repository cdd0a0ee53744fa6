-- herald.leftovers(): what a view's functions could leave in this session though their evaluation is rolled back, each as the
-- statement that ends it: session-level advisory locks, and prepared statements (with the time at which they were prepared, as
-- a comment).
CREATE OR REPLACE FUNCTION herald.leftovers() RETURNS text[]
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT ARRAY(SELECT format('SELECT pg_catalog.pg_advisory_unlock%s(%s)', CASE l.mode WHEN 'ShareLock' THEN '_shared' END,
                               CASE l.objsubid WHEN 1 THEN ((l.classid::bigint << 32) | l.objid::bigint)::text
                                    ELSE format('%s, %s', l.classid::bigint::bit(32)::int, l.objid::bigint::bit(32)::int) END)
                   FROM pg_locks l WHERE l.locktype = 'advisory' AND l.pid = pg_backend_pid() AND l.granted
                  UNION ALL
                 SELECT format('DEALLOCATE %I -- %s', s.name, extract(epoch FROM s.prepare_time)) FROM pg_prepared_statements s);
$$;
