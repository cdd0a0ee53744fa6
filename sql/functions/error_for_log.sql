-- herald.error_for_log(state, words): what a log may be told of an error while a rule was planned. Words about objects, rights and the
-- server's state name no value; all others, which a view may even have chosen itself, may quote the row: then only their SQLSTATE.
CREATE OR REPLACE FUNCTION herald.error_for_log(state text, words text) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE WHEN left(state, 2) IN ('25', '40', '42', '53', '54', '55', '57', '58') THEN words
                ELSE format('PostgreSQL refused one of its rows (SQLSTATE %s); pgherald check says why', state) END;
$$;
