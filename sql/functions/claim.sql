-- herald.claim(incarnation, room): claims up to room due messages: they are 'sending' from here on, with an attempt id, an owner
-- and a lease. Called by herald.turn(), under its advisory lock and in a statement of its own, whose snapshot sees every
-- earlier claim: so limits, and "no two in flight to one recipient", are exact across nodes.
--
-- Of the due rows that it meets on the way it also decides those in doubt, expires those too old, defers those whose template
-- or recipient is held, and puts those behind whose recipient has a message in flight.
--
-- Yields a row a claimed message, a row 'sender' for each sender used, and last a row 'left' whose id is the number of due rows
-- that it met, whether claimed or not: as many as room means that there may be more.
CREATE OR REPLACE FUNCTION herald.claim(incarnation bigint, room int) RETURNS SETOF herald.turn_row
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    moment timestamptz := clock_timestamp();
    lease_end timestamptz := moment + herald.lease();
    flying text[];
    busy text[];
    first_lease timestamptz;
    met bigint;
    take_ids bigint[];
    take_senders text[];
    other_ids bigint[];
    other_actions text[];
BEGIN
    SELECT array_agg(n.sender), array_agg(n.target), min(n.next_at) INTO flying, busy, first_lease
      FROM public.whatsapp_notifications n WHERE n.owner IS NOT NULL;
    IF first_lease <= moment AND herald.rescue(moment) > 0 THEN
        SELECT array_agg(n.sender), array_agg(n.target) INTO flying, busy
          FROM public.whatsapp_notifications n WHERE n.owner IS NOT NULL;
    END IF;

    WITH sender AS MATERIALIZED (
        SELECT * FROM herald.sender_room(moment, room, flying) s WHERE s.free > 0
    ), lane AS MATERIALIZED (
        SELECT l.id, l.channel, l.sender, l.priority,
               least(room, coalesce((SELECT sum(s.free) FROM sender s
                                      WHERE s.channel = l.channel AND (l.sender IS NULL OR s.name = l.sender)), 0)) AS free
          FROM herald.lanes l
         WHERE NOT EXISTS (SELECT FROM herald.holds h WHERE h.kind = 'rule' AND h.name = l.rule)
    ), met AS MATERIALIZED (
        SELECT c.*, l.channel, l.sender AS lane_sender, l.priority
          FROM lane l
         CROSS JOIN LATERAL (
               SELECT n.id, n.target, n.next_at, n.send_status, n.template, n.recipient, n.expires_at
                 FROM public.whatsapp_notifications n
                WHERE n.lane = l.id AND n.next_at <= moment AND n.owner IS NULL AND NOT n.behind
                ORDER BY n.next_at, n.id LIMIT l.free
                  FOR NO KEY UPDATE SKIP LOCKED) c
         WHERE l.free > 0
         ORDER BY l.priority DESC, c.next_at, c.id LIMIT room
    ), judged AS (
        SELECT m.*,
               CASE WHEN m.expires_at <= moment THEN 'expire'
                    WHEN m.send_status = 'in_doubt' THEN 'decide'
                    WHEN EXISTS (SELECT FROM herald.holds h
                                  WHERE (h.kind = 'template' AND h.name = m.template
                                         OR h.kind = 'recipient' AND h.name IN (m.target, m.recipient))
                                    AND (h.until IS NULL OR h.until > moment)) THEN 'defer'
                    WHEN m.target IN (SELECT unnest(busy)) THEN 'behind'
                    ELSE 'take' END AS verdict
          FROM met m
    ), ordered AS (
        SELECT j.*,
               CASE WHEN j.verdict = 'take' AND row_number() OVER (PARTITION BY j.target, j.verdict ORDER BY j.id) > 1 THEN 'behind'
                    ELSE j.verdict END AS action
          FROM judged j
    ), placed AS MATERIALIZED (
        -- place: among those that only this sender may carry; or, where any sender may, among those of the channel.
        SELECT j.id, j.action, j.channel, j.lane_sender,
               row_number() OVER (PARTITION BY j.action, j.channel, j.lane_sender ORDER BY j.priority DESC, j.next_at, j.id) AS place
          FROM ordered j
    ), slot AS MATERIALIZED (
        -- What the senders have left for those that any may carry, dealt out in turns.
        SELECT s.name, s.channel, row_number() OVER (PARTITION BY s.channel ORDER BY k, s.priority DESC, s.name) AS place
          FROM sender s
          LEFT JOIN (SELECT p.lane_sender, count(*) AS n FROM placed p WHERE p.action = 'take' GROUP BY 1) own ON own.lane_sender = s.name
         CROSS JOIN LATERAL generate_series(1 + coalesce(own.n, 0), s.free) k
         WHERE EXISTS (SELECT FROM placed p WHERE p.lane_sender IS NULL AND p.action = 'take')
    ), chosen AS MATERIALIZED (
        SELECT p.id, p.action, CASE WHEN p.action = 'take' THEN coalesce(t.name, s.name) END AS sender
          FROM placed p
          LEFT JOIN slot t ON p.lane_sender IS NULL AND t.channel = p.channel AND t.place = p.place
          LEFT JOIN sender s ON s.name = p.lane_sender AND p.place <= s.free
    )
    SELECT count(*),
           array_agg(c.id ORDER BY c.id) FILTER (WHERE c.sender IS NOT NULL),
           array_agg(c.sender ORDER BY c.id) FILTER (WHERE c.sender IS NOT NULL),
           array_agg(c.id) FILTER (WHERE c.action <> 'take'),
           array_agg(c.action) FILTER (WHERE c.action <> 'take')
      INTO met, take_ids, take_senders, other_ids, other_actions
      FROM chosen c;

    IF other_ids IS NOT NULL THEN
        PERFORM herald.claim_others(moment, other_ids, other_actions);
    END IF;
    IF take_ids IS NOT NULL THEN
        PERFORM herald.count_claimed(take_senders);
        RETURN QUERY
            UPDATE public.whatsapp_notifications n
               SET send_status = 'sending', attempts = n.attempts + 1, attempt_id = nextval('herald.attempt_seq'),
                   owner = incarnation, next_at = lease_end, sender = t.sender
              FROM unnest(take_ids, take_senders) AS t (id, sender)
             WHERE n.id = t.id
            RETURNING 'claim', n.id, n.attempt_id, n.sender, n.target, n.target_kind, n.body, n.gateway_template::text;
        RETURN QUERY
            SELECT 'sender', NULL::bigint, NULL::bigint, s.name, s.base_url, s.gateway, s.credential,
                   s.account::text
              FROM herald.senders s WHERE s.name = ANY (take_senders);
    END IF;
    RETURN QUERY SELECT 'left', met, NULL::bigint, NULL, NULL, NULL, NULL, NULL;
END
$$;
