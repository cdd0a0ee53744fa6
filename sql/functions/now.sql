-- herald.now(): now(); or, while herald.replay() looks at a rule's source as it would have been, the time that is replayed. For views.
CREATE OR REPLACE FUNCTION herald.now() RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT coalesce(nullif(pg_catalog.current_setting('herald.now', true), '')::timestamptz, pg_catalog.now());
$$;
