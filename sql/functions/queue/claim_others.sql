-- herald.claim_others(moment, ids, actions): what a claim does about due rows that it does not take: 'expire', 'decide' (in
-- doubt, and the grace is over), 'suppress' (the recipient has opted out), 'defer' (a held template or recipient), 'quiet' (the
-- recipient's quiet hours), 'recheck' (the planner is to confirm it, or to gather it), 'behind'; 'take' is not its business.
CREATE OR REPLACE FUNCTION herald.claim_others(moment timestamptz, ids bigint[], actions text[]) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE public.whatsapp_notifications n SET behind = true
      FROM unnest(ids, actions) AS t (id, action)
     WHERE t.action = 'behind' AND n.id = t.id;
    IF actions <@ '{behind,take}' THEN
        RETURN;
    END IF;
    INSERT INTO herald.rechecks (rule)
    SELECT DISTINCT n.rule FROM unnest(ids, actions) AS t (id, action) JOIN public.whatsapp_notifications n ON n.id = t.id
     WHERE t.action = 'recheck';
    UPDATE public.whatsapp_notifications n
       SET send_status = 'expired', next_at = NULL,
           error = 'waited longer than it was worth telling' || coalesce(': ' || n.error, '')
      FROM unnest(ids, actions) AS t (id, action)
     WHERE t.action = 'expire' AND n.id = t.id;
    UPDATE public.whatsapp_notifications n
       SET send_status = 'suppressed', next_at = NULL,
           error = (SELECT 'opted out: ' || o.reason FROM unnest(ARRAY[n.target, n.recipient]) a (name)
                     CROSS JOIN LATERAL (SELECT h.reason FROM herald.holds h
                                          WHERE h.kind = 'recipient' AND h.name = a.name
                                              AND h.cause = 'opt-out' OFFSET 0) o LIMIT 1)
                   || CASE WHEN n.send_status = 'in_doubt' THEN '; it is in doubt: ' || n.error ELSE '' END
      FROM unnest(ids, actions) AS t (id, action)
     WHERE t.action = 'suppress' AND n.id = t.id;
    PERFORM herald.cancel_parts(n.id)
       FROM unnest(ids, actions) AS t (id, action) JOIN public.whatsapp_notifications n ON n.id = t.id
      WHERE t.action IN ('expire', 'suppress') AND n.next_part IS NOT NULL AND n.part_of IS NULL;
    UPDATE public.whatsapp_notifications n
       SET send_status = CASE WHEN d.resend THEN 'pending' WHEN d.is_late THEN 'expired' ELSE n.send_status END,
           next_at = CASE WHEN d.resend THEN herald.not_below_floor(n.lane, n.created_at) END,
           resends = n.resends + d.resend::int,
           resent_at = CASE WHEN d.resend THEN moment ELSE n.resent_at END,
           error = CASE WHEN d.resend THEN 'sent again after having been in doubt: ' || n.error
                        WHEN d.is_late THEN 'waited longer than it was worth telling: ' || n.error
                        WHEN n.resends >= d.resend_limit
                            THEN format('in doubt %s times: look at it before retrying it: ', n.resends + 1) || n.error
                        ELSE n.error END
      FROM (SELECT t.id, may.resend AND NOT may.late AS resend, may.resend AND may.late AS is_late, may.resend_limit
              FROM unnest(ids, actions) AS t (id, action)
              JOIN public.whatsapp_notifications w ON w.id = t.id
              LEFT JOIN herald.rules r ON r.name = w.rule
             CROSS JOIN LATERAL (SELECT coalesce(r.resend_limit, 1) AS resend_limit OFFSET 0) l
             CROSS JOIN LATERAL (SELECT coalesce(r.in_doubt, 'resend') = 'resend' AND w.resends < l.resend_limit AS resend,
                                        coalesce(w.expires_at <= moment, false) AS late, l.resend_limit) may
             WHERE t.action = 'decide') d
     WHERE n.id = d.id;
    UPDATE public.whatsapp_notifications n
       SET next_at = least(coalesce(herald.quiet_end(n, moment), moment), n.expires_at)
      FROM unnest(ids, actions) AS t (id, action)
     WHERE t.action = 'quiet' AND n.id = t.id;
    -- Where the hold has gone since it was judged, it is due at once.
    UPDATE public.whatsapp_notifications n
       SET next_at = coalesce((SELECT CASE WHEN bool_or(o.until IS NULL) THEN 'infinity'
                                           WHEN max(o.until) IS NOT NULL THEN least(max(o.until), n.expires_at) END
                                 FROM (VALUES ('template', n.template), ('recipient', n.target),
                                       ('recipient', n.recipient)) a (kind, name)
                                CROSS JOIN LATERAL (SELECT h.until FROM herald.holds h
                                                     WHERE h.kind = a.kind AND h.name = a.name AND h.cause <> 'opt-out'
                                                       AND herald.holds_lane(h.app_secrets, n.lane) OFFSET 0) o
                                WHERE o.until IS NULL OR o.until > moment), moment)
      FROM unnest(ids, actions) AS t (id, action)
     WHERE t.action = 'defer' AND n.id = t.id;
END
$$;
