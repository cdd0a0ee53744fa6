-- herald.sender_accounts(): the senders as their gateways see them, for `pgherald check`. There is no secret in it.
CREATE OR REPLACE FUNCTION herald.sender_accounts()
RETURNS TABLE (name text, gateway text, base_url text, account text, credential text, enabled boolean)
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT s.name, s.gateway, s.base_url, s.account::text, s.credential, s.enabled FROM herald.senders s ORDER BY s.name;
$$;
