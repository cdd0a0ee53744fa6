-- herald.prove_bell(nonce): rings with a nonce, from another session than the one that must hear it: a pooler may swallow
-- LISTEN, or lend its backend to others.
CREATE OR REPLACE FUNCTION herald.prove_bell(nonce text) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT pg_notify('herald', nonce);
$$;
