-- herald.send(recipient, body, …): one message, outside all rules: to a name in herald.recipients, a group's id or a number.
-- Returns its id. In place of body, template and data. media: as in a rule's source.
CREATE OR REPLACE FUNCTION herald.send(
    recipient text,
    body text DEFAULT NULL,
    template text DEFAULT NULL,
    data jsonb DEFAULT '{}',
    channel text DEFAULT 'whatsapp',
    sender text DEFAULT NULL,
    priority int DEFAULT 0,
    not_before timestamptz DEFAULT NULL,
    locale text DEFAULT '',
    media jsonb DEFAULT NULL
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    resolved record;
    wanted herald.templates;
    text_body text := send.body;
    gateway_message jsonb;
    message_id bigint;
    problem text;
    other_problem text;
BEGIN
    IF NOT EXISTS (SELECT FROM herald.channels c WHERE c.name = send.channel) THEN
        RAISE EXCEPTION 'there is no channel "%"', send.channel USING HINT = 'SELECT name FROM herald.channels lists them.';
    ELSIF NOT isfinite(send.not_before) THEN
        RAISE EXCEPTION 'not_before is infinity, which never comes' USING HINT = 'Leave it out, or name a time.';
    ELSIF send.sender IS NOT NULL AND NOT EXISTS (SELECT FROM herald.senders s
                                                  WHERE s.name = send.sender AND s.channel = send.channel) THEN
        RAISE EXCEPTION 'there is no sender "%" of channel "%"', send.sender, send.channel
            USING HINT = 'SELECT name, channel FROM herald.senders lists them.';
    END IF;
    SELECT a.* INTO resolved FROM herald.resolve(send.recipient, send.channel, NULL, herald.setting('default_country')) a;
    IF resolved.problem IS NOT NULL THEN
        RAISE EXCEPTION '%', resolved.problem
            USING HINT = 'A recipient is a name in herald.recipients, a group id, or a number such as +8801712345678; for '
                         'email an address.';
    END IF;
    IF send.template IS NOT NULL THEN
        SELECT t.* INTO wanted FROM herald.templates t WHERE t.name = send.template AND t.locale IN (send.locale, '')
         ORDER BY t.locale = send.locale DESC LIMIT 1;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'there is no template "%"', send.template
                USING HINT = 'SELECT name, locale FROM herald.templates lists them.';
        END IF;
        SELECT r.body, r.problem INTO text_body, problem FROM herald.render(wanted, send.data) r;
        SELECT g.message, g.problem INTO gateway_message, other_problem FROM herald.gateway_template(wanted, send.data) g;
        IF coalesce(problem, other_problem) IS NOT NULL THEN
            RAISE EXCEPTION '%', coalesce(problem, other_problem);
        END IF;
    ELSIF coalesce(send.body, '') = '' THEN
        RAISE EXCEPTION 'nothing to send: the body is empty' USING HINT = 'Give a body, or a template and its data.';
    END IF;
    problem := herald.too_large(send.channel, send.sender, wanted.name, text_body, send.data, gateway_message);
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'the message can''t be sent: %', problem;
    END IF;
    INSERT INTO public.whatsapp_notifications
           (recipient, target_kind, target, channel, sender, template, locale, body, payload, next_at, expires_at,
            gateway_template, lane)
    VALUES (send.recipient, resolved.target_kind, resolved.target, send.channel, coalesce(send.sender, resolved.sender),
            wanted.name, wanted.locale, text_body, send.data,
            greatest(clock_timestamp(), send.not_before), greatest(clock_timestamp(), send.not_before) + interval '1 day',
            gateway_message,
            herald.make_lane(send.channel, coalesce(send.sender, resolved.sender), NULL, send.priority))
    RETURNING id INTO message_id;
    PERFORM herald.make_parts(ARRAY[message_id], ARRAY[send.media]) WHERE jsonb_typeof(send.media) <> 'null';
    PERFORM herald.ring_bell();
    RETURN message_id;
END
$$;
