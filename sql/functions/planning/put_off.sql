-- herald.put_off(rule, ids, errors): these messages, whose source is to confirm them, or which are to be gathered, can't be
-- now: they wait for a minute more, and the reasons stand in herald.set_aside by their dedup_keys. One that is never confirmed
-- expires, with its reason.
CREATE OR REPLACE FUNCTION herald.put_off(rule_name text, ids bigint[], errors text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM herald.put_aside(rule_name, n.dedup_key, u.why)
       FROM unnest(ids, errors) u (id, why) JOIN public.whatsapp_notifications n ON n.id = u.id
      WHERE u.why IS NOT NULL AND n.dedup_key IS NOT NULL;
    UPDATE public.whatsapp_notifications n
       SET next_at = greatest(n.next_at, clock_timestamp() + interval '1 min'),
           error = 'not confirmed: ' || coalesce(u.why, errors[1])
      FROM unnest(ids, errors) u (id, why)
     WHERE n.id = u.id AND n.send_status = 'pending' AND n.owner IS NULL;
END
$$;
