-- herald.make_parts(ids, medias): these messages, just made, have media: each item of theirs becomes a row of its own, which is due
-- once the one before it was accepted (herald.send_parts()), or has failed if that was media too. Until then it waits, and expires
-- where that never happens. An item that can't be sent fails with the reason, and the others go on. They have no dedup_key: a message
-- that is told anew has its own.
CREATE OR REPLACE FUNCTION herald.make_parts(ids bigint[], medias jsonb[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    WITH item AS (
        SELECT m.id AS main, i.media, i.part, nextval(pg_get_serial_sequence('public.whatsapp_notifications', 'id')) AS id,
               CASE WHEN jsonb_typeof(i.media) <> 'object' OR NOT coalesce(i.media ->> 'type', '') IN ('image', 'video', 'audio', 'document')
                    THEN 'its media is no object with a "type" of image, video, audio or document'
                    WHEN coalesce(i.media ->> 'url', '') !~ '^https?://[^[:space:]]+$' THEN 'its media has no "url" that begins with http:// or https://'
               END AS problem
          FROM unnest(ids, medias) m (id, media)
         CROSS JOIN LATERAL jsonb_array_elements(CASE jsonb_typeof(m.media) WHEN 'array' THEN m.media ELSE jsonb_build_array(m.media) END)
                            WITH ORDINALITY i (media, part)
    ), chained AS (
        SELECT i.*, lead(i.id) OVER good AS next_part, first_value(i.id) OVER good AS first_part
          FROM item i WHERE i.problem IS NULL WINDOW good AS (PARTITION BY i.main ORDER BY i.part)
    ), made AS (
        INSERT INTO public.whatsapp_notifications
               (id, rule, recipient, target_kind, target, channel, sender, body, payload, media, part_of, next_part,
                send_status, error, next_at, created_at, expires_at, locale, lane)
        SELECT i.id, n.rule, n.recipient, n.target_kind, n.target, n.channel, n.sender,
               coalesce(i.media ->> 'caption', ''), n.payload, i.media, n.id, c.next_part,
               CASE WHEN i.problem IS NULL THEN 'pending' ELSE 'failed' END, i.problem,
               CASE WHEN i.problem IS NULL THEN n.expires_at END, n.created_at, n.expires_at, n.locale, n.lane
          FROM item i JOIN public.whatsapp_notifications n ON n.id = i.main LEFT JOIN chained c ON c.id = i.id
         ORDER BY i.id
    )
    UPDATE public.whatsapp_notifications n SET next_part = c.first_part
      FROM chained c WHERE n.id = c.main AND c.id = c.first_part;
END
$$;
