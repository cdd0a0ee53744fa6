-- herald.sender_accounts(): the senders as their gateways see them, for `pgherald check` and `pgherald groups`. There is no
-- secret in it. has_groups: herald.recipients has groups that are the sender's, or might be.
CREATE OR REPLACE FUNCTION herald.sender_accounts()
RETURNS TABLE (name text, gateway text, base_url text, account text, credential text, enabled boolean, has_groups boolean)
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT s.name, s.gateway, s.base_url, s.account::text, s.credential, s.enabled,
           EXISTS (SELECT FROM herald.recipients r
                   WHERE r.kind = 'group' AND r.channel = s.channel AND coalesce(r.sender, s.name) = s.name)
      FROM herald.senders s ORDER BY s.name;
$$;
