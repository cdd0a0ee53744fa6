-- herald.guard(owner, otherwise): the first statement of each function that is generated for a rule or a watch and belongs to
-- owner: it does otherwise, and no more, where it runs as anybody else. Whose code runs as owner could have made the function
-- SECURITY INVOKER, with a search_path of its own; so every name and operator is qualified, as are the types that the function
-- declares.
CREATE OR REPLACE FUNCTION herald.guard(owner name, otherwise text) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('IF current_user OPERATOR(pg_catalog.<>) %L::pg_catalog.name THEN %s; END IF;', owner, otherwise);
$$;
