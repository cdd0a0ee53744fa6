-- herald.judge(moment, ids, actions, …): what a claim does about the due rows that it met, where it does not simply take them:
-- 'suppress' (the recipient has opted out), 'defer' (its template or recipient is held), 'quiet' (the recipient's quiet hours),
-- 'recheck' (the planner is to confirm it, or to gather it). actions: what it has in mind, which also comes back where nothing
-- of these holds. some_…: what need not be looked for is not. In doubt or not, who has opted out is sent nothing.
CREATE OR REPLACE FUNCTION herald.judge(
    moment timestamptz,
    ids bigint[],
    actions text[],
    some_opted_out boolean,
    some_held boolean,
    some_quiet boolean,
    some_recheck boolean
) RETURNS text[]
LANGUAGE plpgsql
AS $$
BEGIN
    -- Each name is looked up by itself (OFFSET 0): in one condition, or as a join, they are a walk over all that there are.
    RETURN (
        SELECT array_agg(
               CASE WHEN v.action = 'expire' THEN v.action
                    WHEN some_opted_out AND EXISTS (
                         SELECT FROM unnest(ARRAY[n.target, n.recipient]) a (name)
                          WHERE EXISTS (SELECT FROM herald.holds h
                                        WHERE h.kind = 'recipient' AND h.name = a.name AND h.cause = 'opt-out' OFFSET 0))
                         THEN 'suppress'
                    WHEN v.action = 'decide' THEN v.action
                    WHEN some_held AND EXISTS (
                         SELECT FROM (VALUES ('template', n.template), ('recipient', n.target),
                                      ('recipient', n.recipient)) a (kind, name)
                          WHERE EXISTS (SELECT FROM herald.holds h
                                        WHERE h.kind = a.kind AND h.name = a.name AND h.cause <> 'opt-out'
                                          AND (h.until IS NULL OR h.until > moment)
                                          AND herald.holds_lane(h.app_secrets, n.lane) OFFSET 0)) THEN 'defer'
                    WHEN some_quiet AND herald.quiet_end(n, moment) IS NOT NULL
                         AND NOT EXISTS (SELECT FROM herald.rules r WHERE r.name = n.rule AND r.urgent) THEN 'quiet'
                    WHEN some_recheck AND EXISTS (
                         SELECT FROM herald.rules r
                          WHERE r.name = n.rule
                            AND (r.recheck AND n.part_of IS NULL
                                 AND coalesce(n.confirmed_at, n.created_at) < moment - interval '1 min'
                                 OR r.digest IS NOT NULL AND n.gathers)) THEN 'recheck'
                    ELSE v.action END
               ORDER BY v.place)
          FROM unnest(ids, actions) WITH ORDINALITY v (id, action, place)
          JOIN public.whatsapp_notifications n ON n.id = v.id);
END
$$;
