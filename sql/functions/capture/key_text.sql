-- herald.key_text(alias, column): the expression for a key's text, in SQL: NULL, or what the type's output function makes of
-- it. Not a cast: that may be a function of whoever owns the table, while output functions are made by superusers only.
CREATE OR REPLACE FUNCTION herald.key_text(alias text, key name) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('CASE WHEN pg_catalog.num_nulls(%1$s.%2$I) OPERATOR(pg_catalog.=) 0 THEN pg_catalog.format(''%%s'', '
                  '%1$s.%2$I) END',
                  alias, key);
$$;
