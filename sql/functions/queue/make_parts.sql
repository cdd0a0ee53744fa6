-- herald.make_parts(ids, medias): these messages, just made, have media: each item of theirs becomes a row of its own, which is due
-- once the one before it was accepted (herald.send_parts()), or has failed if that was media too. Until then it waits, and expires
-- where that never happens. An item that can't be sent fails with the reason, and the others go on; 30 at most. They have no
-- dedup_key: a message that is told anew has its own.
CREATE OR REPLACE FUNCTION herald.make_parts(ids bigint[], medias jsonb[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    WITH item AS (
        SELECT m.id AS main, i.media, i.part, nextval(pg_get_serial_sequence('public.whatsapp_notifications', 'id')) AS id,
               CASE WHEN i.part > 30 THEN format('a message has at most 30 media, and this one has %s', jsonb_array_length(m.media))
                    WHEN octet_length(i.media::text) > 8192 THEN 'its media is described in more than 8192 bytes'
                    WHEN jsonb_typeof(i.media) <> 'object'
                         OR NOT coalesce(i.media ->> 'type', '') IN ('image', 'video', 'audio', 'document')
                    THEN 'its media is no object with a "type" of image, video, audio or document'
                    WHEN coalesce(i.media ->> 'url', '') !~ '^https?://[^[:space:]]+$'
                    THEN 'its media has no "url" that begins with http:// or https://'
               END AS problem
          FROM unnest(ids, medias) m (id, media)
         CROSS JOIN LATERAL jsonb_array_elements(CASE jsonb_typeof(m.media) WHEN 'array' THEN m.media
                                                      ELSE jsonb_build_array(m.media) END)
                            WITH ORDINALITY i (media, part)
         WHERE i.part <= 31
    ), chained AS (
        SELECT i.*, lead(i.id) OVER good AS next_part, first_value(i.id) OVER good AS first_part
          FROM item i WHERE i.problem IS NULL WINDOW good AS (PARTITION BY i.main ORDER BY i.part)
    ), made AS (
        INSERT INTO public.whatsapp_notifications
               (id, rule, recipient, target_kind, target, channel, sender, body, payload, media, part_of, next_part,
                send_status, error, next_at, created_at, expires_at, locale, lane)
        SELECT i.id, n.rule, n.recipient, n.target_kind, n.target, n.channel, n.sender,
               CASE WHEN i.problem IS NULL THEN coalesce(i.media ->> 'caption', '') ELSE '' END, n.payload,
               CASE WHEN octet_length(i.media::text) <= 8192 THEN i.media END, n.id, c.next_part,
               CASE WHEN i.problem IS NULL THEN 'pending' ELSE 'failed' END, i.problem,
               CASE WHEN i.problem IS NULL THEN n.expires_at END, n.created_at, n.expires_at, n.locale, n.lane
          FROM item i JOIN public.whatsapp_notifications n ON n.id = i.main LEFT JOIN chained c ON c.id = i.id
         ORDER BY i.id
    )
    UPDATE public.whatsapp_notifications n SET next_part = c.first_part
      FROM chained c WHERE n.id = c.main AND c.id = c.first_part;
END
$$;
