-- herald.compose_digests(rule): where something of the rule that is to be gathered is due, it and all else that waits to be
-- gathered for the same recipient becomes one message, from digest_template over the fields count, list (the texts of the first
-- digest_length, a line each) and more (how many it leaves out, as "+ 190 more", or empty). What was gathered ends as
-- 'suppressed' and points to that message; its media are cancelled, as a digest is a text.
CREATE OR REPLACE FUNCTION herald.compose_digests(rule herald.rules) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    one record;
    wanted herald.templates;
    rendered record;
    known_to_gateway record;
    problem text;
    digest bigint;
    ids bigint[];
BEGIN
    -- What somebody has locked is told by itself, later.
    ids := ARRAY(SELECT n.id FROM herald.lanes l JOIN public.whatsapp_notifications n ON n.lane = l.id
                  WHERE l.rule = rule.name AND n.gathers AND n.send_status = 'pending' AND n.owner IS NULL AND NOT n.behind
                    AND n.next_at >= l.floor AND (n.error IS NULL OR NOT rule.recheck)  -- else it could not be confirmed
                    FOR NO KEY UPDATE OF n SKIP LOCKED);
    FOR one IN
        SELECT g.lane, g.target, g.target_kind, g.channel, g.recipient, g.locale, g.ids, g.expires_at, f.data
          FROM (SELECT min(n.lane) AS lane, n.target, min(n.target_kind) AS target_kind, l.channel, min(n.recipient) AS recipient,
                       min(n.locale) AS locale, array_agg(n.id ORDER BY n.id) AS ids, max(n.expires_at) AS expires_at,
                       count(*) AS n,
                       (array_agg(n.body ORDER BY n.id))[:rule.digest_length] AS lines, min(n.next_at) AS first_at
                  FROM herald.lanes l JOIN public.whatsapp_notifications n ON n.lane = l.id
                 WHERE n.id = ANY (ids)
                 GROUP BY l.channel, l.sender, l.priority, n.target) g  -- there may be two lanes of one kind
         CROSS JOIN LATERAL (SELECT jsonb_build_object(
                    'count', g.n, 'list', array_to_string(g.lines, E'\n'),
                    'more', CASE WHEN g.n > rule.digest_length
                                 THEN format('+ %s more', g.n - rule.digest_length)
                                 ELSE '' END) AS data) f
         WHERE g.first_at <= moment LOOP
        SELECT t.* INTO wanted FROM herald.templates t
         WHERE t.name = rule.digest_template AND t.locale IN (coalesce(one.locale, rule.locale, ''), rule.locale, '')
         ORDER BY t.locale = coalesce(one.locale, rule.locale, '') DESC, t.locale = rule.locale DESC LIMIT 1;
        rendered := herald.render(wanted, one.data);
        known_to_gateway := herald.gateway_template(wanted, one.data);
        problem := CASE WHEN wanted.name IS NULL THEN format('there is no template "%s"', rule.digest_template)
                        ELSE coalesce(rendered.problem, known_to_gateway.problem,
                                       herald.too_large(one.channel, NULL, wanted.name, rendered.body, one.data,
                                                        known_to_gateway.message)) END;
        INSERT INTO public.whatsapp_notifications
               (rule, dedup_key, recipient, target_kind, target, channel, template, locale, body, payload, send_status, error,
                next_at, expires_at, gateway_template, lane, confirmed_at)
        VALUES (rule.name, 'digest/' || one.ids[1], one.recipient, one.target_kind, one.target, one.channel, rule.digest_template,
                wanted.locale, rendered.body, one.data, CASE WHEN problem IS NULL THEN 'pending' ELSE 'failed' END, problem,
                CASE WHEN problem IS NULL THEN moment END, one.expires_at, known_to_gateway.message, one.lane, 'infinity')
        RETURNING id INTO digest;
        UPDATE public.whatsapp_notifications n
           SET send_status = 'suppressed', next_at = NULL, behind = false, gathers = NULL, digest_id = digest,
               error = 'told with others in notification ' || digest
         WHERE n.id = ANY (one.ids);
        PERFORM herald.cancel_parts(n.id, 'what it belongs to was told in a digest, which has no media')
           FROM public.whatsapp_notifications n WHERE n.id = ANY (one.ids) AND n.next_part IS NOT NULL;
    END LOOP;
END
$$;
