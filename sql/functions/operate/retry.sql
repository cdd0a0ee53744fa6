-- herald.retry(id): tells it (again), whatever became of it: as a new message, from the kept payload and today's template and
-- address, with fresh attempts. Refused while it waits or is in flight.
CREATE OR REPLACE FUNCTION herald.retry(id bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    n public.whatsapp_notifications;
    rule herald.rules;
    lane herald.lanes;
    wanted herald.templates;
    resolved record;
    rendered record;
    known_to_gateway record;
    problem text;
BEGIN
    SELECT w.* INTO n FROM public.whatsapp_notifications w WHERE w.id = retry.id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no notification %', retry.id USING HINT = 'pgherald list shows what there is.';
    ELSIF n.send_status IN ('pending', 'sending') THEN
        RAISE EXCEPTION 'notification % is % already', retry.id, n.send_status
            USING HINT = 'pgherald show ID tells what it waits for.';
    END IF;
    SELECT r.* INTO rule FROM herald.rules r WHERE r.name = n.rule;
    -- What the message asked for itself. Without a lane it was never due, and its row still has it.
    SELECT l.* INTO lane FROM herald.lanes l WHERE l.id = n.lane;
    IF NOT FOUND THEN
        lane.sender := coalesce(n.sender, rule.sender);
        lane.priority := coalesce(rule.priority, 0);
    END IF;
    resolved := herald.resolve(n.recipient, n.channel, rule.default_recipient, herald.setting('default_country'));
    problem := resolved.problem;
    IF coalesce(n.template, rule.template) IS NOT NULL AND n.payload IS NOT NULL AND (n.template IS NOT NULL OR n.body IS NULL) THEN
        SELECT t.* INTO wanted FROM herald.templates t
         WHERE t.name = coalesce(n.template, rule.template) AND t.locale IN (coalesce(n.locale, rule.locale, ''), '')
         ORDER BY t.locale = coalesce(n.locale, rule.locale, '') DESC LIMIT 1;
        IF FOUND THEN
            rendered := herald.render(wanted, n.payload);
            known_to_gateway := herald.gateway_template(wanted, n.payload);
            problem := coalesce(problem, rendered.problem, known_to_gateway.problem);
            n.template := wanted.name;
            n.locale := wanted.locale;
            n.body := rendered.body;
            n.gateway_template := known_to_gateway.message;
        ELSE
            problem := coalesce(problem, format('there is no template "%s"', coalesce(n.template, rule.template)));
        END IF;
    ELSIF n.body IS NULL THEN
        problem := coalesce(problem, 'neither a body nor a payload is kept');
    END IF;
    IF n.part_of IS NOT NULL AND n.media IS NULL THEN
        problem := coalesce(problem, 'its media is not kept');
    END IF;
    problem := coalesce(problem, herald.too_large(n.channel, n.sender, n.template, n.body, n.payload, n.gateway_template));
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'notification % can''t be sent: %', retry.id, problem USING HINT = 'Mend that, then retry it.';
    END IF;
    UPDATE public.whatsapp_notifications w
       SET send_status = 'pending', attempts = 0, next_at = clock_timestamp(), owner = NULL, behind = false,
           -- What is in doubt may arrive twice, whoever sends it again.
           resends = (n.send_status = 'in_doubt')::int,
           resent_at = CASE WHEN n.send_status = 'in_doubt' THEN clock_timestamp() ELSE w.resent_at END,
           target = resolved.target, target_kind = resolved.target_kind, template = n.template, locale = n.locale, body = n.body,
           gateway_template = n.gateway_template, error = NULL, response_code = NULL, response_body = NULL,
           message_id = NULL, sent_at = NULL, delivered_at = NULL, read_at = NULL,
           confirmed_at = 'infinity', gathers = NULL,  -- a person wants it, whatever its rule's source says now
           expires_at = clock_timestamp() + coalesce(rule.max_age, '1 day'),
           lane = herald.make_lane(n.channel, coalesce(resolved.sender, lane.sender), n.rule, lane.priority)
     WHERE w.id = retry.id;
    PERFORM herald.ring_bell();
END
$$;
