-- Functions and a view as earlier states of this schema had them, and which no file defines any more; loaded by
-- test_sql_migrate.py. A database that was migrated then still has them, and other migrations,
-- for which migrate refuses it: so they are put into one of today's.
SET ROLE herald_owner;

CREATE FUNCTION herald.any_task() RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RETURN (SELECT t.target FROM herald.tasks() t JOIN herald.rules r ON r.name = t.target
             WHERE t.target_kind = 'events' AND r.time_limit >= current_setting('statement_timeout')::interval LIMIT 1);
END
$$;

CREATE FUNCTION herald.tasks() RETURNS SETOF herald.turn_row
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN;
END
$$;

CREATE FUNCTION herald.count_made(rule herald.rules, n bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF n > rule.flood_limit THEN
        RAISE EXCEPTION USING ERRCODE = 'HR001';
    END IF;
END
$$;

CREATE FUNCTION herald.error_for_log(state text, words text) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE WHEN left(state, 2) IN ('25', '40', '42', '53', '54', '55', '57', '58') THEN words
                ELSE format('PostgreSQL refused one of its rows (SQLSTATE %s); pgherald check says why', state) END;
$$;

-- One that was given another argument since.
CREATE FUNCTION herald.claim(incarnation bigint, room int) RETURNS SETOF herald.turn_row
LANGUAGE plpgsql
AS $$
BEGIN
    RETURN;
END
$$;

-- A type, a function of it, and a view that stands on both.
CREATE TYPE herald.made AS (rule text, n bigint);
CREATE FUNCTION herald.all_made() RETURNS SETOF herald.made LANGUAGE sql AS 'SELECT ROW(''r'', 1)::herald.made';
CREATE VIEW herald.made_lately AS SELECT m.rule, m.n, herald.error_for_log('42000', 'words') AS words FROM herald.all_made() m;

RESET ROLE;
