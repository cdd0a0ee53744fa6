-- herald.opt(target, wish, reason): what herald.opt_out() and herald.opt_in() do: 'stop' or 'resume', now, whatever was heard
-- before.
CREATE OR REPLACE FUNCTION herald.opt(target text, wish text, reason text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    addresses text[] := herald.opt_addresses(opt.target);
    size int := cardinality(addresses);
BEGIN
    -- Clocks may go back; who says it here and now is obeyed all the same.
    DELETE FROM herald.heard h WHERE h.kind = 'recipient' AND h.name = ANY (addresses);
    PERFORM herald.take_wishes(addresses, array_fill(opt.wish, ARRAY[size]), array_fill(clock_timestamp(), ARRAY[size]),
                               array_fill(opt.reason, ARRAY[size]), array_fill(session_user::text, ARRAY[size]), true);
END
$$;
