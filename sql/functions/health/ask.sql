-- herald.ask(): the senders whose gateway is to be asked now how they are, for the daemon whose turn it is: it answers by
-- herald.tell(). No other daemon asks the same before a lease has passed. Yields a row 'ask' for each (sender; target: what is
-- wanted of its session: 'pair', 'unpair', or NULL), and their rows 'sender'.
CREATE OR REPLACE FUNCTION herald.ask() RETURNS SETOF herald.turn_row
LANGUAGE plpgsql
AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    asked text[];
    purposes text[];
BEGIN
    WITH due AS (
        SELECT h.sender FROM herald.health h WHERE h.ask_at <= moment ORDER BY h.ask_at LIMIT 16 FOR NO KEY UPDATE SKIP LOCKED
    ), marked AS (
        UPDATE herald.health h SET ask_at = moment + herald.lease(), asked_at = moment FROM due d WHERE h.sender = d.sender
        RETURNING h.sender, h.purpose
    )
    SELECT array_agg(m.sender), array_agg(m.purpose) INTO asked, purposes FROM marked m;
    RETURN QUERY SELECT 'ask', NULL::bigint, NULL::bigint, a.sender, a.purpose, NULL::text, NULL::text, NULL::text
                   FROM unnest(asked, purposes) a (sender, purpose);
    RETURN QUERY SELECT d.* FROM herald.describe_senders(asked) d;
END
$$;
