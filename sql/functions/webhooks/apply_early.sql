-- herald.apply_early(ids, message_ids): applies the receipts that came before the answer of their message, now that it is recorded:
-- those of these rows or message ids; NULL: all whose row is known by now, and forgets those for which none was found in ten
-- minutes. herald.turn() calls it for what it has recorded; herald.web_looks() now and then for what came between the two.
CREATE OR REPLACE FUNCTION herald.apply_early(ids bigint[], message_ids text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET jit = off
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    kept record;
    found_ids bigint[];
    locked_ids bigint[];
BEGIN
    SELECT array_agg(e.message_id) AS message_ids, array_agg(e.status) AS statuses, array_agg(e.notification_id) AS ids,
           array_agg(e.attempt_id) AS attempt_ids, array_agg(e.gateway) AS gateways, array_agg(e.account) AS accounts,
           array_agg(e.at) AS moments, array_agg(e.error) AS errors
      INTO kept
      FROM (SELECT k.* FROM herald.receipts_early k
             WHERE (apply_early.message_ids IS NULL OR k.message_id = ANY (apply_early.message_ids)
                    OR k.notification_id = ANY (apply_early.ids))
               AND CASE WHEN k.notification_id IS NULL
                        THEN EXISTS (SELECT FROM public.whatsapp_notifications n
                                      WHERE n.message_id = k.message_id AND n.message_id NOT LIKE 'wamid.%')
                        ELSE EXISTS (SELECT FROM public.whatsapp_notifications n
                                     WHERE n.id = k.notification_id AND n.send_status <> 'sending') END
               FOR UPDATE SKIP LOCKED) e;
    IF kept.statuses IS NOT NULL THEN
        found_ids := herald.receipt_rows(kept.gateways, kept.accounts, kept.message_ids, kept.ids);
        SELECT coalesce(array_agg(l.id), '{}') INTO locked_ids
          FROM (SELECT w.id FROM public.whatsapp_notifications w
                WHERE w.id = ANY (found_ids) ORDER BY w.id FOR NO KEY UPDATE SKIP LOCKED) l;
        SELECT array_agg(CASE WHEN f IS NULL OR f = ANY (locked_ids) THEN f ELSE 0 END ORDER BY place)
          INTO found_ids FROM unnest(found_ids) WITH ORDINALITY u (f, place);
        PERFORM herald.apply_receipts(found_ids, kept.message_ids, kept.attempt_ids, kept.statuses, kept.moments, kept.errors);
        -- 0: locked by another, so kept for the next time
        DELETE FROM herald.receipts_early k
         USING unnest(found_ids, kept.message_ids, kept.statuses) u (found_id, message_id, status)
         WHERE k.message_id = u.message_id AND k.status = u.status AND u.found_id IS DISTINCT FROM 0;
    END IF;
    IF apply_early.message_ids IS NULL THEN
        DELETE FROM herald.receipts_early k WHERE k.kept_at < clock_timestamp() - interval '10 min';
    END IF;
END
$$;
