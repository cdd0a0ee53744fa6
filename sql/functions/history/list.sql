-- herald.list(status, rule, recipient, since, limit): the newest notifications, newest first; NULL does not narrow. since: a time,
-- or an interval back from now ('2 hours').
CREATE OR REPLACE FUNCTION herald.list(only_status text, only_rule text, only_recipient text, since text, most int)
RETURNS TABLE (id bigint, created text, status text, rule text, recipient text, sender text, attempts int, error text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    after timestamptz := herald.since(list.since);
BEGIN
    RETURN QUERY
        SELECT n.id, herald.local_time(n.created_at), n.send_status, n.rule, n.recipient, n.sender, n.attempts, n.error
          FROM public.whatsapp_notifications n
         WHERE (only_status IS NULL OR n.send_status = only_status)
           AND (only_rule IS NULL OR n.rule = only_rule)
           AND (only_recipient IS NULL OR only_recipient IN (n.recipient, n.target))
           AND (after IS NULL OR n.created_at >= after)
         ORDER BY n.id DESC LIMIT coalesce(most, 50);
END
$$;
