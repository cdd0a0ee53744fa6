-- herald.ask_to_wake(names): the holds of these recipients or templates have gone: the next turn wakes what was deferred for
-- them. The lock that this needs is for daemons alone: whoever keeps a transaction open must not hold up all claims.
CREATE OR REPLACE FUNCTION herald.ask_to_wake(names text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO herald.wake_requests (name) SELECT unnest(names);
    PERFORM herald.ring_bell();
END
$$;
