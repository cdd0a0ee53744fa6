-- herald.attend(node, incarnation, asleep_sec): notes that the daemon is there (changes are captured for an hour from now), and
-- whether it sleeps: for asleep_sec seconds from now it must be rung for; 0: it is awake, and looks by itself.
CREATE OR REPLACE FUNCTION herald.attend(node_name text, daemon_incarnation bigint, asleep_sec int) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO herald.listeners (node, incarnation, asleep_until, attended_until, seen_at)
    VALUES (node_name, daemon_incarnation,
            CASE WHEN asleep_sec > 0 THEN clock_timestamp() + make_interval(secs => asleep_sec) ELSE '-infinity' END,
            clock_timestamp() + interval '1 hour', clock_timestamp())
    ON CONFLICT (node) DO UPDATE SET incarnation = EXCLUDED.incarnation, asleep_until = EXCLUDED.asleep_until,
            attended_until = EXCLUDED.attended_until, seen_at = EXCLUDED.seen_at;
$$;
