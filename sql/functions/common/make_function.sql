-- herald.make_function(signature, returns, settings, body, owner): makes a function of schema herald in PL/pgSQL, SECURITY
-- DEFINER, that belongs to owner; or makes it anew where it is not as it should be, and touches nothing where it is. signature:
-- "name(types)". settings: as pg_proc.proconfig has them, without search_path, which is pinned.
CREATE OR REPLACE FUNCTION herald.make_function(signature text, returns text, settings text[], body text, owner name) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    pinned CONSTANT text[] := 'search_path=pg_catalog, pg_temp'::text || settings;
    clauses CONSTANT text := (SELECT string_agg(format('SET %s', replace(s, '=', ' = ')), ' ') FROM unnest(pinned) s);
BEGIN
    IF EXISTS (SELECT FROM pg_proc p
                WHERE p.oid = to_regprocedure('herald.' || signature) AND p.proowner = to_regrole(owner) AND p.prosecdef
                  AND p.proconfig = pinned AND p.prosrc = body) THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE OR REPLACE FUNCTION herald.%s RETURNS %s LANGUAGE plpgsql SECURITY DEFINER %s AS %L',
                   signature, returns, clauses, body);
    PERFORM herald.give_function('herald.' || signature, owner);
END
$$;
