-- herald.web_senders(): whose webhooks `pgherald web` takes: each sender that names secrets for them in its account (app_secret and
-- verify_token of the Cloud API, webhook_secret of the others). Names of secrets only. callback: the address that Twilio was given.
-- Also of senders that are switched off: what they sent before is still told of.
CREATE OR REPLACE FUNCTION herald.web_senders()
RETURNS TABLE (sender text, gateway text, account text, app_secret text, verify_token text, webhook_secret text, callback text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT s.name, s.gateway, s.account ->> g.account_key, s.account ->> 'app_secret', s.account ->> 'verify_token',
           s.account ->> 'webhook_secret', s.account ->> 'status_callback'
      FROM herald.senders s JOIN herald.gateways g ON g.name = s.gateway AND g.account_key IS NOT NULL
     WHERE s.account ?| CASE s.gateway WHEN 'cloud' THEN '{app_secret,verify_token}'::text[] ELSE '{webhook_secret}' END
     ORDER BY s.name;
$$;
