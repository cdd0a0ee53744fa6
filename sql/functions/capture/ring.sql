-- herald.ring(rule, key): plan this one now, as if its row had changed. key NULL: the whole rule, like a due sweep.
CREATE OR REPLACE FUNCTION herald.ring(rule text, key text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM herald.rules r WHERE r.name = ring.rule) THEN
        RAISE EXCEPTION 'there is no rule "%"', ring.rule USING HINT = 'SELECT name FROM herald.rules lists them.';
    END IF;
    INSERT INTO herald.events (rule, key) VALUES (ring.rule, ring.key);
    PERFORM herald.ring_bell();
END
$$;
