-- herald.is_account(sender, gateway, account): whether the sender is that account: a phone_number_id, an account_sid or a session.
CREATE OR REPLACE FUNCTION herald.is_account(sender_name text, gateway_name text, account_id text) RETURNS boolean
LANGUAGE sql STABLE
AS $$
    SELECT EXISTS (SELECT FROM herald.senders s
                    WHERE s.name = sender_name AND s.gateway = gateway_name
                      AND account_id = s.account ->> CASE s.gateway WHEN 'cloud' THEN 'phone_number_id' WHEN 'twilio' THEN 'account_sid' ELSE 'session' END);
$$;
