-- herald.replay(rule, since): what the rule would have made since then, had it begun with nothing told: its source is swept as
-- it would have been at each time that the rule's schedule had since (2,000 at most), for real, and all of it is undone. A
-- source that asks herald.now() is seen as it would have been then; any other as it is now, once.
--
-- Yields rows 'total', 'day' (label: the day), 'hour' (the one with most messages), 'not sent' (label: why), 'note' (label:
-- what the figures do not tell) and 'sample' (label: for whom; sample: the text), with how many messages and different targets.
-- A message's images and other parts count as one with it.
CREATE OR REPLACE FUNCTION herald.replay(rule text, since text)
RETURNS TABLE (what text, label text, messages bigint, targets bigint, sample text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    the_rule herald.rules;
    before CONSTANT text[] := herald.leftovers();
    ends timestamptz := clock_timestamp();
    begins timestamptz := herald.since(replay.since);
    step interval;
    moment timestamptz;
    last_id bigint := coalesce((SELECT max(n.id) FROM public.whatsapp_notifications n), 0);
    moments timestamptz[] := '{}';
    last_ids bigint[] := '{}';
    found jsonb;
    seen_as_then boolean;
    reads_history boolean;
BEGIN
    PERFORM herald.check_held('rule', rule);
    IF begins IS NULL OR begins >= ends THEN
        RAISE EXCEPTION 'there is nothing to replay since %', coalesce(herald.local_time(begins), 'no time at all')
            USING HINT = 'Give a time that has passed: 2026-03-01 08:00, or 30 days.';
    END IF;
    SELECT r.* INTO the_rule FROM herald.rules r WHERE r.name = rule;
    step := greatest(coalesce(the_rule.every, '15 min'), (ends - begins) / 2000);
    seen_as_then := herald.tells_time(herald.relation(the_rule.source));
    WITH RECURSIVE read AS (
        SELECT herald.relation(the_rule.source)::oid AS view
        UNION
        SELECT d.refobjid FROM read r
          JOIN pg_rewrite w ON w.ev_class = r.view
          JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
    )
    SELECT EXISTS (SELECT FROM read r WHERE r.view = 'public.whatsapp_notifications'::regclass) INTO reads_history;
    moment := CASE WHEN seen_as_then THEN begins ELSE ends END;
    the_rule.flood_limit := 2147483647;
    the_rule.name := chr(1) || 'replay of ' || left(rule, 80);  -- whose keys have all still to be told
    BEGIN
        PERFORM herald.pin_formats();
        LOOP
            PERFORM set_config('herald.now', moment::text, true);
            PERFORM herald.plan_sweep(the_rule);
            moments := moments || moment;
            last_ids := last_ids || coalesce((SELECT max(n.id) FROM public.whatsapp_notifications n), 0);
            EXIT WHEN moment >= ends;
            moment := least(moment + step, ends);
        END LOOP;
        WITH made AS (
            SELECT n.id, n.recipient, n.target, n.send_status, n.error, n.body,
                   (SELECT min(t.at) FROM unnest(moments, last_ids) t (at, id) WHERE t.id >= n.id)
                       AT TIME ZONE herald.setting('timezone') AS at
              FROM public.whatsapp_notifications n WHERE n.rule = the_rule.name AND n.id > last_id AND n.part_of IS NULL
        ), figures AS (
            SELECT 1 AS place, 'total' AS what, NULL AS label, count(*) AS messages, count(DISTINCT m.target) AS targets,
                   NULL AS sample
              FROM made m WHERE m.send_status = 'pending'
            UNION ALL
            SELECT 2, 'day', m.at::date::text, count(*), count(DISTINCT m.target), NULL
              FROM made m WHERE m.send_status = 'pending' GROUP BY 3
            UNION ALL
            (SELECT 3, 'hour', to_char(date_trunc('hour', m.at), 'YYYY-MM-DD HH24:00'), count(*), count(DISTINCT m.target), NULL
               FROM made m WHERE m.send_status = 'pending' GROUP BY 3 ORDER BY 4 DESC, 3 LIMIT 1)
            UNION ALL
            SELECT 4, 'not sent', m.send_status || coalesce(': ' || m.error, ''), count(*), count(DISTINCT m.target), NULL
              FROM made m WHERE m.send_status <> 'pending' GROUP BY 3
            UNION ALL
            SELECT 5, 'note', x.note, NULL, NULL, NULL
              FROM (VALUES (NOT seen_as_then, 'its view does not ask herald.now(): seen as of now'),
                           (reads_history, 'its source reads the history: what was told counts as told')) x (is_so, note)
             WHERE x.is_so
            UNION ALL
            (SELECT 6, 'sample', coalesce(m.recipient, m.target), NULL, NULL, m.body FROM made m
             WHERE m.send_status = 'pending' ORDER BY m.id LIMIT 3)
        )
        SELECT jsonb_agg(to_jsonb(f) ORDER BY f.place, f.label) INTO found FROM figures f;
        RAISE EXCEPTION USING ERRCODE = 'HR003', MESSAGE = coalesce(found, '[]')::text;
    EXCEPTION
        WHEN SQLSTATE 'HR003' THEN
            RETURN QUERY SELECT f ->> 'what', f ->> 'label', (f ->> 'messages')::bigint, (f ->> 'targets')::bigint, f ->> 'sample'
                           FROM jsonb_array_elements(SQLERRM::jsonb) f;
            PERFORM herald.end_leftovers(before);
        WHEN OTHERS THEN
            PERFORM herald.end_leftovers(before);
            RAISE;
    END;
END
$$;
