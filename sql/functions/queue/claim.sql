-- herald.claim(incarnation, room, joins): claims up to room due messages: they are 'sending' from here on, with an attempt id,
-- an owner and a lease. Called by herald.turn(), under its lock (herald.claim_lock) and in a statement of its own, whose
-- snapshot sees every earlier claim: so limits, and "no two in flight to one recipient", are exact across nodes.
--
-- Of the due rows that it meets on the way it also decides those in doubt, expires those too old, defers those whose template
-- or recipient is held, and puts those behind whose recipient has a message in flight. Those that had to wait, of a rule that
-- wants them rechecked, or that are to be gathered, it leaves, with all others of their rule, until the planner has done that.
--
-- joins: where the daemon has joined anew since herald.join() told it this number, nothing is claimed; NULL: that is not asked.
--
-- Yields a row a claimed message, a row 'sender' for each sender used, and, where it met any due row, claimed or not, last a row
-- 'left' whose id is their number: as many as room means that there may be more.
CREATE OR REPLACE FUNCTION herald.claim(incarnation bigint, room int, joins int DEFAULT NULL) RETURNS SETOF herald.turn_row
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    moment timestamptz := clock_timestamp();
    lease_end timestamptz;
    busy text[];
    first_lease timestamptz;
    some_opted_out boolean;
    some_held boolean;
    some_quiet boolean;
    some_recheck boolean;
    is_counted boolean;
    is_joined boolean;
    sender_names text[];
    sender_channels text[];
    sender_free int[];
    met bigint;
    ids bigint[];
    targets text[];
    actions text[];
    senders text[];
BEGIN
    LOOP
        SELECT f.targets, f.first_lease, moment + s.value::interval + interval '15 s',
               EXISTS (SELECT FROM herald.holds h WHERE h.cause = 'opt-out'),
               EXISTS (SELECT FROM herald.holds h WHERE h.kind IN ('template', 'recipient') AND h.cause <> 'opt-out'),
               EXISTS (SELECT FROM herald.recipients p WHERE p.quiet_hours IS NOT NULL),
               EXISTS (SELECT FROM herald.rules r WHERE r.recheck OR r.digest IS NOT NULL),
               claim.joins IS NULL OR EXISTS (SELECT FROM herald.listeners l
                                              WHERE l.incarnation = claim.incarnation AND l.joins = claim.joins),
               r.names, r.channels, r.free, r.is_counted
          INTO busy, first_lease, lease_end, some_opted_out, some_held, some_quiet, some_recheck, is_joined,
               sender_names, sender_channels, sender_free, is_counted
          FROM herald.settings s,
               (SELECT array_agg(n.sender) AS senders, array_agg(n.target) AS targets, min(n.next_at) AS first_lease,
                       coalesce(array_agg(n.sender) FILTER (WHERE n.owner = incarnation), '{}') AS own
                  FROM public.whatsapp_notifications n
                 WHERE n.owner IS NOT NULL AND n.attempt_id >= (SELECT f.attempt_id FROM herald.floors f)) f
         CROSS JOIN LATERAL (
               SELECT array_agg(o.name ORDER BY o.priority DESC, o.name) AS names,
                      array_agg(o.channel ORDER BY o.priority DESC, o.name) AS channels,
                      array_agg(o.free ORDER BY o.priority DESC, o.name) AS free, bool_or(o.is_counted) AS is_counted
                 FROM herald.sender_room(moment, room, f.senders, f.own) o WHERE o.free > 0) r
         WHERE s.name = 'request_time_limit';
        -- CASE: with nothing in flight first_lease is NULL, and NULL AND … looks at the other side.
        EXIT WHEN (CASE WHEN first_lease <= moment THEN herald.rescue(moment) > 0 END) IS NOT TRUE;
    END LOOP;
    IF NOT is_joined THEN
        RETURN;
    END IF;

    SELECT count(*), array_agg(m.id), array_agg(m.target), array_agg(m.action), array_agg(m.sender)
      INTO met, ids, targets, actions, senders
      FROM (SELECT c.id, c.target, coalesce(l.sender, '#' || l.channel) AS sender,
                   CASE WHEN c.send_status = 'in_doubt' THEN 'decide'
                        WHEN c.expires_at <= moment THEN 'expire'
                        ELSE 'take' END AS action
              FROM herald.lanes l
             CROSS JOIN LATERAL (
                   SELECT sum(f.free) AS free FROM unnest(sender_names, sender_channels, sender_free) AS f (name, channel, free)
                    WHERE f.channel = l.channel AND (l.sender IS NULL OR f.name = l.sender)) s
             CROSS JOIN LATERAL (
                   SELECT n.id, n.target, n.next_at, n.send_status, n.expires_at
                     FROM public.whatsapp_notifications n
                    WHERE n.lane = l.id AND n.next_at BETWEEN l.floor AND moment AND n.owner IS NULL AND NOT n.behind
                    ORDER BY n.next_at, n.id LIMIT least(room, s.free)
                      FOR NO KEY UPDATE SKIP LOCKED) c
             WHERE s.free > 0
               AND NOT EXISTS (SELECT FROM herald.holds h WHERE h.kind = 'rule' AND h.name = l.rule)
               AND NOT (some_recheck AND EXISTS (SELECT FROM herald.rechecks w WHERE w.rule = l.rule))
             ORDER BY l.priority DESC, c.next_at, c.id LIMIT room) m;
    IF met > 0 AND (some_opted_out OR some_held OR some_quiet OR some_recheck) THEN
        actions := herald.judge(moment, ids, actions, some_opted_out, some_held, some_quiet, some_recheck);
    END IF;
    IF met > 1 OR met = 1 AND busy IS NOT NULL THEN
        SELECT array_agg(CASE WHEN v.action = 'take' AND (v.nth > 1 OR v.target IN (SELECT unnest(busy))) THEN 'behind'
                              ELSE v.action END
                         ORDER BY v.place)
          INTO actions
          FROM (SELECT t.target, t.action, t.place, row_number() OVER (PARTITION BY t.target, t.action ORDER BY t.id) AS nth
                  FROM unnest(ids, targets, actions) WITH ORDINALITY t (id, target, action, place)) v;
    END IF;

    IF NOT actions <@ '{take}' THEN
        PERFORM herald.claim_others(moment, ids, actions);
    END IF;
    IF met > 0 THEN
        IF cardinality(sender_names) = 1 AND met <= sender_free[1] AND actions <@ '{take}' THEN
            senders := array_fill(sender_names[1], ARRAY[met::int]);
        ELSE
            senders := herald.deal(senders, actions, sender_names, sender_channels, sender_free);
        END IF;
        IF is_counted THEN
            PERFORM herald.count_claimed(senders);
        END IF;
        RETURN QUERY
            WITH claimed AS (
                UPDATE public.whatsapp_notifications n
                   SET send_status = 'sending', attempts = n.attempts + 1, attempt_id = nextval('herald.attempt_seq'),
                       owner = incarnation, next_at = lease_end, sender = t.sender
                  FROM unnest(ids, senders) AS t (id, sender)
                 WHERE n.id = t.id AND t.sender IS NOT NULL
                RETURNING n.id, n.attempt_id, n.sender, n.target, n.target_kind, n.body,
                          CASE WHEN n.media IS NULL THEN n.gateway_template ELSE jsonb_build_object('media', n.media) END::text
            )
            SELECT 'claim', c.* FROM claimed c
            UNION ALL
            SELECT d.* FROM herald.describe_senders(senders) d
            UNION ALL
            SELECT 'left', met, NULL, NULL, NULL, NULL, NULL, NULL;
    END IF;
END
$$;
