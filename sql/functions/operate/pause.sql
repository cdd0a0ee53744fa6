-- herald.pause(kind, name, reason): nothing of it is sent until herald.resume(). kind: 'all' (needs no name), 'rule', 'sender',
-- 'channel', 'recipient'. What is in flight is not called back. A paused rule is not planned either.
CREATE OR REPLACE FUNCTION herald.pause(kind text, name text DEFAULT '', reason text DEFAULT 'paused by hand') RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM herald.check_held(pause.kind, coalesce(pause.name, ''));
    INSERT INTO herald.holds (kind, name, cause, reason, who)
    VALUES (pause.kind, coalesce(pause.name, ''), 'paused', coalesce(pause.reason, 'paused by hand'), session_user)
    ON CONFLICT (kind, name, cause) DO UPDATE SET reason = EXCLUDED.reason, who = EXCLUDED.who;
END
$$;
