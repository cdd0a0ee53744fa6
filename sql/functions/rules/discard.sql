-- herald.discard(rule): records what the rule's source holds now as suppressed, so that it is never sent, and cancels what of
-- the rule still waits. Returns how many.
CREATE OR REPLACE FUNCTION herald.discard(rule_name text) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    rule herald.rules;
    before CONSTANT text[] := herald.leftovers();
    cancelled bigint;
    suppressed bigint;
BEGIN
    SELECT r.* INTO STRICT rule FROM herald.rules r WHERE r.name = rule_name;
    PERFORM herald.pin_formats();
    UPDATE public.whatsapp_notifications n
       SET send_status = 'cancelled', next_at = NULL, behind = false, error = 'discarded when its rule was resumed'
      FROM herald.lanes l
     WHERE l.rule = rule_name AND n.lane = l.id AND n.next_at IS NOT NULL AND n.owner IS NULL;
    GET DIAGNOSTICS cancelled = ROW_COUNT;
    EXECUTE format($q$
        INSERT INTO public.whatsapp_notifications (rule, dedup_key, recipient, channel, template, payload, send_status, error,
                                                   meter_number, nocs_name, duration_status, class_id, test_num)
        SELECT $1, d.dedup_key, d.recipient, coalesce(d.channel, $2), coalesce(d.template, $3), d.data, 'suppressed',
               'discarded when its rule was resumed', d.data ->> 'meter_number', d.data ->> 'nocs_name',
               d.data ->> 'duration_status', d.data ->> 'class_id', d.data ->> 'test_num'
          FROM herald.%I() d
         WHERE d.dedup_key <> '' AND octet_length(d.dedup_key) <= 512
        ON CONFLICT DO NOTHING$q$, 'source_' || rule.id) USING rule.name, rule.channel, rule.template;
    GET DIAGNOSTICS suppressed = ROW_COUNT;
    DELETE FROM herald.events e WHERE e.rule = rule_name;
    PERFORM herald.end_leftovers(before);
    RETURN cancelled + suppressed;
EXCEPTION WHEN OTHERS THEN
    PERFORM herald.end_leftovers(before);
    RAISE;
END
$$;
