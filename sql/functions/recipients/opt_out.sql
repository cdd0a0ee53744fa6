-- herald.opt_out(target, reason): this person (a number, or the name of a recipient) wants no more messages: what waits for them,
-- and what will be planned, ends as 'suppressed' with the reason when its turn comes, also of urgent rules. It is the address that
-- is opted out: a name's opt-out holds of its addresses on all channels, under whatever name a message comes, and does not
-- follow the name to another address. Saying it again changes nothing but the reason. herald.opt_in() takes it back, and so
-- does the person (herald.hear()).
CREATE OR REPLACE FUNCTION herald.opt_out(target text, reason text DEFAULT 'asked for no more messages') RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT herald.opt(opt_out.target, 'stop', coalesce(opt_out.reason, 'asked for no more messages'));
$$;
