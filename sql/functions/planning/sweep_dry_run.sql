-- herald.sweep_dry_run(rule): what a sweep of the rule would make now, without making it: one row a notification. state is the
-- send_status it would get, with the reason where it would not be sent.
CREATE OR REPLACE FUNCTION herald.sweep_dry_run(rule text)
RETURNS TABLE (dedup_key text, recipient text, target text, state text, body text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    the_rule herald.rules;
    before CONSTANT text[] := herald.leftovers();
    last_id bigint;
BEGIN
    PERFORM herald.check_held('rule', rule);
    SELECT r.* INTO the_rule FROM herald.rules r WHERE r.name = rule;
    the_rule.flood_limit := 2147483647;
    -- The real thing, and then undone: what it shows is what it would do.
    DECLARE
        rows_shown jsonb;
    BEGIN
        PERFORM herald.pin_formats();
        last_id := coalesce((SELECT max(n.id) FROM public.whatsapp_notifications n), 0);
        PERFORM herald.plan_sweep(the_rule);
        SELECT jsonb_agg(jsonb_build_object('k', n.dedup_key, 'r', n.recipient, 't', n.target,
                         's', n.send_status || coalesce(': ' || n.error, ''), 'b', n.body) ORDER BY n.id)
          INTO rows_shown
          FROM public.whatsapp_notifications n WHERE n.rule = the_rule.name AND n.id > last_id;
        RAISE EXCEPTION USING ERRCODE = 'HR003', MESSAGE = coalesce(rows_shown::text, '[]');
    EXCEPTION
        WHEN SQLSTATE 'HR003' THEN
            RETURN QUERY SELECT v ->> 'k', v ->> 'r', v ->> 't', v ->> 's', v ->> 'b' FROM jsonb_array_elements(SQLERRM::jsonb) v;
            PERFORM herald.end_leftovers(before);
        WHEN OTHERS THEN
            PERFORM herald.end_leftovers(before);
            RAISE;
    END;
END
$$;
