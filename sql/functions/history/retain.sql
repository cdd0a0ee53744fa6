-- herald.retain(): a step of the walks through the history that blank ('forget') and delete what is old enough, in the order of
-- ids; for at most 10 ms each, so that nothing waits for it. True: a walk is under way, and wants another step: a planner takes
-- it (herald.tasks). A walk begins an hour after the last one began, at the first row that this one may have something left to
-- do with, unless what is to be kept for how long has changed; and ends where rows are too young for any rule. Of a message
-- that is blanked the row stays, with its key, its states and its times, so that "once" holds. What is known of attempts goes
-- with what the message said.
CREATE OR REPLACE FUNCTION herald.retain() RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    walk herald.retention;
    default_age interval;
    shortest interval;
    these_terms text;
    step_ends timestamptz;
    chunk record;
BEGIN
    FOR walk IN SELECT r.* FROM herald.retention r WHERE r.passed_id IS NOT NULL OR r.began_at <= moment - interval '1 hour'
                 ORDER BY r.what FOR UPDATE SKIP LOCKED LOOP
        step_ends := clock_timestamp() + interval '10 ms';
        default_age := nullif(herald.setting(walk.what || '_after'), '');
        SELECT least(min(a.age), default_age),
               md5(concat(string_agg(format('%L %s', r.name, a.age), ',' ORDER BY r.name), default_age))
          INTO shortest, these_terms
          FROM herald.rules r
         CROSS JOIN LATERAL (SELECT CASE walk.what WHEN 'forget' THEN r.forget_after ELSE r.delete_after END AS age) a;
        CONTINUE WHEN shortest IS NULL AND walk.passed_id IS NULL;
        IF walk.passed_id IS NULL THEN
            walk.began_at := moment;
            walk.passed_id := CASE WHEN walk.terms = these_terms THEN walk.first_id - 1 ELSE 0 END;
            walk.terms := these_terms;
            walk.first_id := NULL;
            IF walk.what = 'forget' THEN
                -- What was learned of an attempt after its message had been blanked.
                DELETE FROM herald.attempts a USING public.whatsapp_notifications n LEFT JOIN herald.rules r ON r.name = n.rule
                 WHERE n.id = a.notification_id AND a.at < moment - shortest
                   AND a.at < moment - coalesce(r.forget_after, default_age)
                   AND n.next_at IS NULL AND n.body IS NULL;
            END IF;
        END IF;
        IF shortest IS NULL THEN
            walk.passed_id := NULL;
        END IF;
        WHILE walk.passed_id IS NOT NULL LOOP
            SELECT max(n.id) AS last_id, count(*) < 100 OR min(n.created_at) > moment - shortest AS is_last,
                   min(n.id) FILTER (WHERE n.wants AND NOT n.is_ripe) AS left_id,
                   array_agg(n.id ORDER BY n.id) FILTER (WHERE n.wants AND n.is_ripe) AS ripe
              INTO chunk
              FROM (SELECT w.id, w.created_at, a.age IS NOT NULL AND (walk.what = 'delete' OR w.says_something) AS wants,
                           w.is_final AND w.created_at < moment - a.age AS is_ripe
                      FROM (SELECT x.id, x.rule, x.created_at, x.next_at IS NULL AND x.send_status <> 'in_doubt' AS is_final,
                                   num_nonnulls(x.body, x.payload, x.recipient, x.target, x.response_body) > 0 AS says_something
                              FROM public.whatsapp_notifications x WHERE x.id > walk.passed_id ORDER BY x.id LIMIT 100) w
                      LEFT JOIN herald.rules r ON r.name = w.rule
                     CROSS JOIN LATERAL (SELECT coalesce(CASE walk.what WHEN 'forget' THEN r.forget_after ELSE r.delete_after END,
                                                         default_age) AS age) a) n;
            WITH free AS MATERIALIZED (
                SELECT w.id FROM public.whatsapp_notifications w
                 WHERE w.id = ANY (chunk.ripe) AND w.next_at IS NULL FOR UPDATE SKIP LOCKED
            ), deleted AS (
                DELETE FROM public.whatsapp_notifications n USING free f WHERE n.id = f.id AND walk.what = 'delete'
            ), blanked AS (
                UPDATE public.whatsapp_notifications n
                   SET body = NULL, payload = NULL, media = NULL, recipient = NULL, target = NULL, response_body = NULL,
                       gateway_template = NULL,
                       error = CASE WHEN n.error IS NOT NULL THEN 'forgotten' END
                  FROM free f WHERE n.id = f.id AND walk.what = 'forget'
            ), untold AS (
                DELETE FROM herald.attempts a USING free f WHERE a.notification_id = f.id
            )
            -- What somebody has locked is left, too.
            SELECT least(walk.first_id, chunk.left_id, min(u.id)) INTO walk.first_id
              FROM unnest(chunk.ripe) u (id) WHERE NOT EXISTS (SELECT FROM free f WHERE f.id = u.id);
            walk.first_id := CASE WHEN chunk.is_last THEN coalesce(walk.first_id, walk.passed_id + 1) ELSE walk.first_id END;
            walk.passed_id := CASE WHEN NOT chunk.is_last THEN chunk.last_id END;
            EXIT WHEN clock_timestamp() > step_ends;
        END LOOP;
        UPDATE herald.retention r
           SET (passed_id, began_at, first_id, terms) = (walk.passed_id, walk.began_at, walk.first_id, walk.terms)
         WHERE r.what = walk.what;
    END LOOP;
    RETURN EXISTS (SELECT FROM herald.retention r WHERE r.passed_id IS NOT NULL);
END
$$;
