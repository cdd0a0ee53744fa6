-- herald.pass_on_grants(function): who was granted this function by somebody else than pgherald may execute those that have its
-- name now: it goes, as it was given other arguments.
CREATE OR REPLACE FUNCTION herald.pass_on_grants(function oid) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    passed record;
BEGIN
    FOR passed IN SELECT DISTINCT a.grantee::regrole AS grantee, n.oid::regprocedure AS successor
                    FROM pg_proc p CROSS JOIN LATERAL aclexplode(p.proacl) a
                    JOIN pg_proc n ON n.pronamespace = p.pronamespace AND n.proname = p.proname AND n.oid <> p.oid
                         AND age(n.xmin) <= age(pg_current_xact_id()::xid)
                   WHERE p.oid = function AND a.grantee <> 0 AND a.grantee::regrole::text !~ '^herald_' LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s', passed.successor, passed.grantee);
    END LOOP;
END
$$;
