-- herald.tells_time(source): whether the view, or one that it reads, asks herald.now() what time it is.
CREATE OR REPLACE FUNCTION herald.tells_time(source regclass) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE read AS (
        SELECT source::oid AS view
        UNION
        SELECT d.refobjid FROM read r
          JOIN pg_rewrite w ON w.ev_class = r.view
          JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
    )
    SELECT EXISTS (SELECT FROM read r
                     JOIN pg_rewrite w ON w.ev_class = r.view
                     JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
                          AND d.refclassid = 'pg_proc'::regclass AND d.refobjid = 'herald.now()'::regprocedure);
$$;
