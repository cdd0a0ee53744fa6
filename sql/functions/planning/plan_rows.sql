-- herald.plan_rows(rule, due_rows): makes the notifications that these rows of the rule's source ask for, where they don't
-- exist yet, in their order: deduplicates, resolves the recipient, renders the template. One set-based statement; what is usual (a
-- number in E.164, a template whose fields are all there) is done in line, the rest by herald.resolve() and herald.render().
-- OFFSET 0 keeps the planner from copying an expression to each place that uses it, and from making a look-up a join.
--
-- Raises SQLSTATE HR001 where the rule would exceed its flood_limit within an hour; nothing of the rows is then made.
-- Statistics of a queue are always wrong: each row is looked up by index, whatever the planner believes.
CREATE OR REPLACE FUNCTION herald.plan_rows(rule herald.rules, due_rows herald.due[]) RETURNS herald.plan_counts
LANGUAGE plpgsql
SET jit = off
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_material = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    moment timestamptz := clock_timestamp();
    counts herald.plan_counts := ROW(coalesce(cardinality(due_rows), 0), 0, 0, 0, 0, 0);
    minute bigint := floor(extract(epoch FROM moment) / 60);
    within_the_hour bigint;
    bad bigint;
    has_media boolean;
BEGIN
    IF counts.found = 0 THEN
        RETURN counts;
    END IF;
    WITH wanted AS (
        SELECT DISTINCT ON (d.dedup_key) d.*, coalesce(d.channel, rule.channel) AS to_channel,
               coalesce(d.priority, rule.priority) AS with_priority
          FROM unnest(due_rows) WITH ORDINALITY d
         WHERE d.dedup_key <> '' AND octet_length(d.dedup_key) <= 512
           AND NOT EXISTS (SELECT FROM public.whatsapp_notifications n
                           WHERE n.rule = rule.name AND n.dedup_key = d.dedup_key OFFSET 0)
    ), made AS (
        INSERT INTO public.whatsapp_notifications
               (rule, dedup_key, recipient, target_kind, target, channel, sender, template, locale, body, payload,
                send_status, next_at, error, created_at, expires_at, gateway_template, lane, gathers,
                meter_number, nocs_name, duration_status, class_id, test_num)
        SELECT rule.name, w.dedup_key, w.recipient, a.target_kind, a.target, w.to_channel, a.sender,
               CASE WHEN w.body IS NULL THEN coalesce(t.name, w.template, rule.template) END, coalesce(t.locale, a.locale),
               CASE WHEN octet_length(b.body) <= 65536 THEN b.body END, k.data, v.status,
               CASE v.status WHEN 'pending' THEN k.due_at END,
               v.problem, moment, least(w.expires_at, k.due_at + rule.max_age), g.message,
               CASE v.status WHEN 'pending'
                             THEN coalesce(l.id, herald.make_lane(w.to_channel, a.sender, rule.name, w.with_priority)) END,
               CASE WHEN rule.digest IS NOT NULL AND v.status = 'pending' THEN true END,
               k.data ->> 'meter_number', k.data ->> 'nocs_name', k.data ->> 'duration_status',
               k.data ->> 'class_id', k.data ->> 'test_num'
          FROM wanted w
          LEFT JOIN herald.recipients p ON p.name = w.recipient AND p.channel = w.to_channel
         -- What expires before its window has ended ends it, with a minute to go.
         CROSS JOIN LATERAL (SELECT CASE WHEN pg_column_size(w.data) <= 262144 THEN w.data END AS data,
                                    p.name IS NULL AND w.to_channel <> 'email'
                                        AND w.recipient ~ '^\+[1-9][0-9]{6,14}$' AS is_number,
                                    greatest(w.not_before, moment,
                                             CASE WHEN rule.digest IS NOT NULL
                                                  THEN least(greatest(w.not_before, moment) + rule.digest,
                                                             w.expires_at - interval '1 min') END) AS due_at
                            OFFSET 0) k
          LEFT JOIN LATERAL (SELECT x.* FROM herald.resolve(w.recipient, w.to_channel, rule.default_recipient,
                                                      (SELECT c.value FROM herald.settings c WHERE c.name = 'default_country')) x
                             WHERE k.is_number IS NOT TRUE OFFSET 0) r ON true
         CROSS JOIN LATERAL (SELECT CASE WHEN k.is_number THEN w.recipient ELSE r.target END AS target,
                                    CASE WHEN k.is_number THEN 'individual' ELSE r.target_kind END AS target_kind,
                                    coalesce(w.locale, r.locale, rule.locale) AS locale,
                                    coalesce(w.sender, r.sender, rule.sender) AS sender OFFSET 0) a
          LEFT JOIN LATERAL (
               SELECT f AS whole, f.name, f.locale, f.format, f.fields, f.gateway_name FROM herald.templates f
                WHERE f.name = coalesce(w.template, rule.template) AND f.locale IN (a.locale, rule.locale, '')
                ORDER BY f.locale = a.locale DESC, f.locale = rule.locale DESC
                LIMIT 1) t ON w.body IS NULL
         CROSS JOIN LATERAL (SELECT ARRAY(SELECT k.data ->> f FROM unnest(t.fields) f) AS field_values OFFSET 0) u
         CROSS JOIN LATERAL (SELECT coalesce(w.body, CASE WHEN array_position(u.field_values, NULL) IS NULL
                                                          THEN format(t.format, VARIADIC u.field_values) END) AS body OFFSET 0) b
          LEFT JOIN LATERAL (SELECT x.* FROM herald.gateway_template(t.whole, k.data) x
                             WHERE t.gateway_name IS NOT NULL OFFSET 0) g ON true
         CROSS JOIN LATERAL (SELECT herald.too_large(w.to_channel, a.sender,
                                                     CASE WHEN w.body IS NULL THEN coalesce(w.template, rule.template) END,
                                                     b.body, w.data, g.message) AS problem OFFSET 0) z
         CROSS JOIN LATERAL (
               SELECT CASE WHEN a.target IS NULL THEN 'suppressed'
                           WHEN b.body IS NULL OR g.problem IS NOT NULL OR z.problem IS NOT NULL OR NOT isfinite(k.due_at)
                           THEN 'failed'
                           ELSE 'pending' END AS status,
                      CASE WHEN a.target IS NULL THEN r.problem
                           WHEN z.problem IS NOT NULL THEN z.problem
                           WHEN NOT isfinite(k.due_at) THEN 'its not_before is infinity, which never comes'
                           WHEN b.body IS NOT NULL THEN g.problem
                           WHEN t.name IS NOT NULL THEN (herald.render(t.whole, k.data)).problem
                           WHEN coalesce(w.template, rule.template) IS NULL
                           THEN 'neither the row nor its rule names a template, and the row has no body'
                           ELSE format('there is no template "%s" in locale "%s"', coalesce(w.template, rule.template), a.locale)
                      END AS problem OFFSET 0) v
          LEFT JOIN LATERAL (
               SELECT o.id FROM herald.lanes o
                WHERE o.channel = w.to_channel AND coalesce(o.sender, '') = coalesce(a.sender, '')
                  AND coalesce(o.rule, '') = rule.name AND o.priority = w.with_priority
                ORDER BY o.id LIMIT 1) l ON true
         ORDER BY w.ordinality
        ON CONFLICT (rule, dedup_key) DO NOTHING
        RETURNING send_status
    ), counted AS (
        SELECT count(*) FILTER (WHERE m.send_status = 'pending') AS pending, count(*) AS new,
               count(*) FILTER (WHERE m.send_status = 'suppressed') AS suppressed,
               count(*) FILTER (WHERE m.send_status = 'failed') AS failed
          FROM made m
    ), this_minute AS (
        INSERT INTO herald.counts AS c (kind, name, span_sec, bucket, n)
        SELECT 'made', rule.name, 60, minute, x.pending FROM counted x WHERE x.pending > 0
        ON CONFLICT (kind, name, span_sec, bucket) DO UPDATE SET n = c.n + EXCLUDED.n
        RETURNING c.n
    )
    SELECT x.new, x.suppressed, x.failed,
           (SELECT t.n FROM this_minute t) + coalesce((SELECT sum(c.n) FROM herald.counts c
                                                        WHERE c.kind = 'made' AND c.name = rule.name AND c.span_sec = 60
                                                          AND c.bucket BETWEEN minute - 59 AND minute - 1), 0),
           EXISTS (SELECT FROM unnest(due_rows) d WHERE d.media IS NOT NULL)
      INTO counts.new, counts.suppressed, counts.failed, within_the_hour, has_media FROM counted x;
    IF within_the_hour > rule.flood_limit THEN
        RAISE EXCEPTION USING ERRCODE = 'HR001',
            MESSAGE = format('%s messages within an hour, and its flood_limit is %s', within_the_hour, rule.flood_limit);
    END IF;
    IF has_media THEN
        PERFORM herald.make_parts(array_agg(n.id), array_agg(d.media))
           FROM unnest(due_rows) d JOIN public.whatsapp_notifications n ON n.rule = rule.name AND n.dedup_key = d.dedup_key
          WHERE jsonb_typeof(d.media) <> 'null' AND n.send_status = 'pending' AND n.created_at = moment AND n.next_part IS NULL;
    END IF;
    IF counts.new < counts.found THEN
        bad := herald.count_bad_keys(rule, due_rows);
        counts.known := counts.found - counts.new - bad;
    END IF;
    RETURN counts;
END
$$;
