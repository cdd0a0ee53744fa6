-- herald.relation(name): the table or view of that name, as herald keeps it (quoted, with its schema); NULL where there is none.
-- Unlike to_regclass() it asks for no right to the schema, which the application need not give to herald_owner.
CREATE OR REPLACE FUNCTION herald.relation(name text) RETURNS regclass
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT c.oid::regclass
      FROM (SELECT parse_ident(relation.name) AS part) p
      JOIN pg_namespace n ON n.nspname = p.part[1]
      JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.part[2]
$$;
