-- herald.unpair(sender): logs the sender's session out at its gateway, so that the telephone no longer lists it. Nothing is
-- sent by this sender until it is paired again.
CREATE OR REPLACE FUNCTION herald.unpair(sender text) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT herald.want(unpair.sender, 'unpair', 'it was unpaired on request');
$$;
