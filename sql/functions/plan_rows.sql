-- herald.plan_rows(rule, due_rows): makes the notifications that these rows of the rule's source ask for, where they don't
-- exist yet: deduplicates, resolves the recipient, renders the template. One set-based statement.
--
-- Raises SQLSTATE HR001 where the rule would exceed its flood_limit within an hour; nothing of the rows is then made.
CREATE OR REPLACE FUNCTION herald.plan_rows(rule herald.rules, due_rows herald.due[]) RETURNS herald.plan_counts
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    moment timestamptz := clock_timestamp();
    country text := herald.setting('default_country');
    counts herald.plan_counts := ROW(coalesce(cardinality(due_rows), 0), 0, 0, 0, 0, 0);
    made bigint;
    bad bigint;
BEGIN
    IF counts.found = 0 THEN
        RETURN counts;
    END IF;
    WITH wanted AS (
        SELECT DISTINCT ON (d.dedup_key) d.*, coalesce(d.channel, rule.channel) AS to_channel
          FROM unnest(due_rows) d
          LEFT JOIN public.whatsapp_notifications n ON n.rule = rule.name AND n.dedup_key = d.dedup_key
         WHERE n.id IS NULL AND d.dedup_key <> '' AND octet_length(d.dedup_key) <= 512
    ), made AS (
        INSERT INTO public.whatsapp_notifications
               (rule, dedup_key, recipient, target_kind, target, channel, sender, template, locale, body, payload,
                send_status, next_at, error, created_at, expires_at, gateway_template, lane,
                meter_number, nocs_name, duration_status, class_id, test_num)
        SELECT rule.name, w.dedup_key, w.recipient, a.target_kind, a.target, w.to_channel, s.name, t.name, t.locale,
               b.body, w.data, v.status,
               CASE v.status WHEN 'pending' THEN greatest(w.not_before, moment) END,
               v.problem, moment, least(w.expires_at, greatest(w.not_before, moment) + rule.max_age), g.message,
               CASE v.status WHEN 'pending' THEN
                   coalesce(l.id, herald.make_lane(w.to_channel, s.name, rule.name, coalesce(w.priority, rule.priority))) END,
               w.data ->> 'meter_number', w.data ->> 'nocs_name', w.data ->> 'duration_status',
               w.data ->> 'class_id', w.data ->> 'test_num'
          FROM wanted w
         CROSS JOIN LATERAL herald.resolve(w.recipient, w.to_channel, rule.default_recipient, country) a
          LEFT JOIN LATERAL (
               SELECT f AS whole, f.name, f.locale FROM herald.templates f
                WHERE f.name = coalesce(w.template, rule.template)
                  AND f.locale IN (coalesce(w.locale, a.locale, rule.locale), rule.locale, '')
                ORDER BY f.locale = coalesce(w.locale, a.locale, rule.locale) DESC, f.locale = rule.locale DESC
                LIMIT 1) t ON true
          LEFT JOIN LATERAL herald.render(t.whole, w.data) r ON w.body IS NULL AND t.name IS NOT NULL
          LEFT JOIN LATERAL herald.gateway_template(t.whole, w.data) g ON w.body IS NULL AND t.name IS NOT NULL
         CROSS JOIN LATERAL (SELECT coalesce(w.body, r.body) AS body,
                                    coalesce(w.sender, a.sender, rule.sender) AS sender) b
         CROSS JOIN LATERAL (SELECT b.sender AS name) s
         CROSS JOIN LATERAL (
               SELECT CASE WHEN a.target IS NULL THEN 'suppressed'
                           WHEN b.body IS NULL OR g.problem IS NOT NULL THEN 'failed'
                           ELSE 'pending' END AS status,
                      coalesce(a.problem, r.problem, g.problem,
                               CASE WHEN b.body IS NULL THEN
                                    CASE WHEN coalesce(w.template, rule.template) IS NULL
                                         THEN 'neither the row nor its rule names a template, and the row has no body'
                                         ELSE format('there is no template "%s" in locale "%s"', coalesce(w.template, rule.template),
                                                     coalesce(w.locale, a.locale, rule.locale)) END END) AS problem) v
          LEFT JOIN herald.lanes l ON l.channel = w.to_channel AND coalesce(l.sender, '') = coalesce(s.name, '')
               AND coalesce(l.rule, '') = rule.name AND l.priority = coalesce(w.priority, rule.priority)
        ON CONFLICT (rule, dedup_key) DO NOTHING
        RETURNING send_status
    )
    SELECT count(*) FILTER (WHERE m.send_status = 'pending'), count(*),
           count(*) FILTER (WHERE m.send_status = 'suppressed'), count(*) FILTER (WHERE m.send_status = 'failed')
      INTO made, counts.new, counts.suppressed, counts.failed FROM made m;
    IF made > 0 THEN
        PERFORM herald.count_made(rule, made);
    END IF;
    IF counts.new < counts.found THEN
        bad := herald.count_bad_keys(rule, due_rows);
        counts.known := counts.found - counts.new - bad;
    END IF;
    RETURN counts;
END
$$;
