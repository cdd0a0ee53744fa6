-- herald.is_account(sender, gateway, account): whether the sender is that account, as webhooks name it (herald.spoken_account()).
CREATE OR REPLACE FUNCTION herald.is_account(sender_name text, gateway_name text, account_id text) RETURNS boolean
LANGUAGE sql STABLE
AS $$
    SELECT EXISTS (SELECT FROM herald.senders s JOIN herald.gateways g ON g.name = s.gateway
                    WHERE s.name = sender_name AND s.gateway = gateway_name
                      AND account_id = herald.spoken_account(s.gateway, s.account, g.account_key));
$$;
