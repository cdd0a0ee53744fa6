-- herald.show(id): the row of one notification, a line a column, times in the installation's zone.
CREATE OR REPLACE FUNCTION herald.show(notification_id bigint) RETURNS TABLE (name text, value text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    n public.whatsapp_notifications;
BEGIN
    SELECT w.* INTO n FROM public.whatsapp_notifications w WHERE w.id = notification_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no notification %', notification_id USING HINT = 'pgherald list shows what there is.';
    END IF;
    RETURN QUERY
        SELECT v.name, v.value FROM (VALUES
            ('id', n.id::text), ('status', n.send_status), ('rule', n.rule), ('dedup key', n.dedup_key),
            ('recipient', n.recipient), ('target', n.target || ' (' || n.target_kind || ')'),
            ('channel', n.channel), ('sender', n.sender), ('template', n.template), ('attempts', n.attempts::text),
            ('message id', n.message_id), ('error', n.error), ('body', n.body)) v (name, value)
         WHERE v.value IS NOT NULL;
END
$$;
