-- herald.pair(sender): pairs the sender's session with a telephone: within two minutes a person scans, in WhatsApp's list of
-- linked devices, the QR code that herald.sessions shows; it changes every so often. Until the session is connected, nothing is
-- sent by this sender. One that is connected stays so.
CREATE OR REPLACE FUNCTION herald.pair(sender text) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT herald.want(pair.sender, 'pair', 'it is being paired');
$$;
