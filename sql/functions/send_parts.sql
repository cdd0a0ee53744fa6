-- herald.send_parts(ids, senders): what came before these parts was accepted, by these senders, which carry them too: they are due after
-- part_gap.
CREATE OR REPLACE FUNCTION herald.send_parts(ids bigint[], senders text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    moment timestamptz := clock_timestamp();
BEGIN
    UPDATE public.whatsapp_notifications n
       SET send_status = 'pending', error = NULL, next_at = moment + herald.setting('part_gap')::interval,
           expires_at = greatest(n.expires_at, moment + interval '1 hour'),
           lane = herald.make_lane(n.channel, t.sender, n.rule, coalesce((SELECT l.priority FROM herald.lanes l WHERE l.id = n.lane), 0))
      FROM unnest(ids, senders) t (id, sender)
     WHERE n.id = t.id AND n.send_status IN ('pending', 'cancelled') AND n.owner IS NULL;
END
$$;
