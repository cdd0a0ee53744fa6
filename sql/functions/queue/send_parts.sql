-- herald.send_parts(ids, senders, shortens_gap): what came before these parts was accepted, by these senders, which carry them
-- too: they are due after part_gap, before whatever else waits for the sender, and whatever longer gap it has. So are those
-- that had ended with a message that is told after all. Receipts shorten no gap: claims lock what it is kept in.
CREATE OR REPLACE FUNCTION herald.send_parts(ids bigint[], senders text[], shortens_gap boolean DEFAULT true) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    due timestamptz := clock_timestamp() + herald.setting('part_gap')::interval;
BEGIN
    UPDATE public.whatsapp_notifications n
       SET send_status = 'pending', error = NULL, next_at = due,
           expires_at = greatest(n.expires_at, due + interval '1 hour'),
           lane = herald.make_lane(n.channel, t.sender, n.rule, 1000000)
      FROM unnest(ids, senders) t (id, sender)
     WHERE n.id = t.id AND n.send_status IN ('pending', 'cancelled', 'expired') AND n.owner IS NULL AND n.media IS NOT NULL;
    UPDATE herald.sender_state g SET next_at = due WHERE shortens_gap AND g.sender = ANY (senders) AND g.next_at > due;
END
$$;
