-- herald.retain(): a step of the walk through the history that blanks and deletes what is old enough, in the order of ids; for at most
-- 10 ms, so that nothing waits for it. A walk begins an hour after the last one began, and ends where rows are too young for
-- any rule. Of a message that is blanked the row stays, with its key, its states and its times, so that "once" holds.
CREATE OR REPLACE FUNCTION herald.retain() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    forget_default interval := nullif(herald.setting('forget_after'), '');
    delete_default interval := nullif(herald.setting('delete_after'), '');
    shortest interval;
    walk herald.retention;
    chunk record;
BEGIN
    SELECT least(min(r.forget_after), min(r.delete_after), forget_default, delete_default) INTO shortest FROM herald.rules r;
    IF shortest IS NULL THEN
        RETURN;
    END IF;
    SELECT r.only_row, r.passed_id, CASE WHEN r.passed_id = 0 THEN moment ELSE r.began_at END INTO walk FROM herald.retention r
     WHERE r.passed_id > 0 OR r.began_at <= moment - interval '1 hour' FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN;  -- not due, or another daemon is at it
    END IF;
    LOOP
        SELECT max(n.id) AS last_id, min(n.created_at) > moment - shortest AS are_young,
               array_agg(n.id) FILTER (WHERE n.is_final AND n.created_at < moment - n.delete_after) AS to_delete,
               array_agg(n.id) FILTER (WHERE n.is_final AND n.created_at < moment - n.forget_after AND n.says_something) AS to_forget
          INTO chunk
          FROM (SELECT w.id, w.created_at, w.next_at IS NULL AND w.send_status <> 'in_doubt' AS is_final,
                       num_nonnulls(w.body, w.payload, w.recipient, w.target, w.response_body) > 0 AS says_something,
                       coalesce(r.forget_after, forget_default) AS forget_after, coalesce(r.delete_after, delete_default) AS delete_after
                  FROM public.whatsapp_notifications w LEFT JOIN herald.rules r ON r.name = w.rule
                 WHERE w.id > walk.passed_id ORDER BY w.id LIMIT 100) n;
        DELETE FROM public.whatsapp_notifications n
         WHERE n.id IN (SELECT w.id FROM public.whatsapp_notifications w
                         WHERE w.id = ANY (chunk.to_delete) AND w.next_at IS NULL FOR UPDATE SKIP LOCKED);
        DELETE FROM herald.attempts a WHERE a.notification_id = ANY (chunk.to_delete || chunk.to_forget);
        UPDATE public.whatsapp_notifications n
           SET body = NULL, payload = NULL, media = NULL, recipient = NULL, target = NULL, response_body = NULL, gateway_template = NULL,
               error = CASE WHEN n.error IS NOT NULL THEN 'forgotten' END
         WHERE n.id IN (SELECT w.id FROM public.whatsapp_notifications w
                         WHERE w.id = ANY (chunk.to_forget) AND w.next_at IS NULL FOR UPDATE SKIP LOCKED);
        walk.passed_id := CASE WHEN chunk.last_id IS NULL OR chunk.are_young THEN 0 ELSE chunk.last_id END;
        EXIT WHEN walk.passed_id = 0 OR clock_timestamp() > moment + interval '10 ms';
    END LOOP;
    UPDATE herald.retention r SET passed_id = walk.passed_id, began_at = walk.began_at;
END
$$;
