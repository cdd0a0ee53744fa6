-- herald.now(): what time it is; or, while herald.replay() looks at a rule's source as it would have been, the time that is
-- replayed. For views. It is the clock's time and not the transaction's: a planner that had begun before a row was written sees
-- it none the less, and must not take it for one of the future.
CREATE OR REPLACE FUNCTION herald.now() RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT coalesce(nullif(pg_catalog.current_setting('herald.now', true), '')::timestamptz, pg_catalog.clock_timestamp());
$$;
