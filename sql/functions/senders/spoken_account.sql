-- herald.spoken_account(gateway, account, account_key): by what webhooks name a sender's account: the name of the secret that they
-- know, where it has one, and the account's own. Two servers may each have a session of the same name.
CREATE OR REPLACE FUNCTION herald.spoken_account(gateway text, account jsonb, account_key text) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE WHEN account ? account_key
                THEN concat_ws(' ', account ->> CASE gateway WHEN 'cloud' THEN 'app_secret' ELSE 'webhook_secret' END,
                               account ->> account_key) END;
$$;
