-- herald.regenerate(): makes the functions that rules and watches generated as this version has them, where they are not so
-- yet. For `pgherald migrate`. Returns how many it made anew. It needs membership in herald_owner, herald_rules and
-- herald_capture.
CREATE OR REPLACE FUNCTION herald.regenerate() RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM herald.generate_source(r.name) FROM herald.rules r;
    PERFORM herald.generate_capture(w.id) FROM herald.watches w;
    RETURN (SELECT count(*) FROM pg_proc p
             WHERE p.pronamespace = 'herald'::regnamespace AND p.proname ~ '^(source|still|keys|capture)_[0-9]'
               AND age(p.xmin) <= age(pg_current_xact_id()::xid));
END
$$;
