-- herald.receive(…): what gateways say became of messages. The arrays run in parallel, one element a receipt:
--
--   gateways, accounts  whose receipt it is: 'cloud', and the name of the app secret and the phone_number_id, 'wppconnect', and the
--                       name of the webhook secret and the session, …: see herald.spoken_account()
--   message_ids         the gateway's id of the message
--   ids, attempt_ids    of ours, where the gateway echoes them (the Cloud API and Twilio do); else NULL
--   statuses            'sent', 'delivered', 'read', 'failed', 'opted out' (failed, as the recipient wants no messages)
--   seconds             when, since 1970; NULL: now
--   errors              why it failed, for a person
--
-- Idempotent, in any order: a message only moves forward. One that is in doubt is settled by the ids. A receipt that comes before
-- its message's answer was recorded is kept (herald.apply_early()). Rows are found by primary key where there is an echo, else
-- by message_id; a row of another sender's account than the receipt is from is not found.
--
-- Never waits for a row that somebody else has locked: with the daemon's turns that could be a deadlock. Yields counts: by status,
-- 'early', 'ignored' (messages of others), 'again' (their rows were locked: call again with the same arrays).
CREATE OR REPLACE FUNCTION herald.receive(
    gateways text[],
    accounts text[],
    message_ids text[],
    ids bigint[],
    attempt_ids bigint[],
    statuses text[],
    seconds bigint[],
    errors text[]
) RETURNS TABLE (kind text, n bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    moments timestamptz[];
    found_ids bigint[];
    locked_ids bigint[];
    kept bigint;
BEGIN
    IF cardinality(statuses) > 0 IS NOT TRUE THEN
        RETURN;
    END IF;
    SELECT array_agg(coalesce(to_timestamp(s), clock_timestamp()) ORDER BY place) INTO moments
      FROM unnest(seconds) WITH ORDINALITY u (s, place);
    found_ids := herald.receipt_rows(gateways, accounts, message_ids, ids);
    SELECT array_agg(l.id) INTO locked_ids
      FROM (SELECT w.id FROM public.whatsapp_notifications w
            WHERE w.id = ANY (found_ids) ORDER BY w.id FOR NO KEY UPDATE SKIP LOCKED) l;
    IF EXISTS (SELECT f FROM unnest(found_ids) f WHERE f IS NOT NULL EXCEPT SELECT unnest(locked_ids)) THEN
        -- 0: locked by another
        SELECT array_agg(CASE WHEN f IS NOT NULL AND (f = ANY (locked_ids)) IS NOT TRUE THEN 0 ELSE f END ORDER BY place)
          INTO found_ids FROM unnest(found_ids) WITH ORDINALITY u (f, place);
    END IF;

    IF 'opted out' = ANY (statuses) THEN
        PERFORM herald.take_refusals(array_agg(u.found_id), array_agg(u.error))
           FROM unnest(found_ids, statuses, errors) u (found_id, status, error) WHERE u.status = 'opted out';
        statuses := array_replace(statuses, 'opted out', 'failed');
    END IF;
    kept := herald.keep_early(found_ids, gateways, accounts, message_ids, ids, attempt_ids, statuses, moments, errors);
    PERFORM herald.apply_receipts(found_ids, message_ids, attempt_ids, statuses, moments, errors);
    PERFORM herald.acknowledged(gateways, accounts, true);

    RETURN QUERY
        WITH counted AS (
            SELECT CASE WHEN f = 0 THEN 'again' WHEN f IS NULL THEN 'ignored' ELSE status END AS kind, count(*) AS n
              FROM unnest(found_ids, statuses) u (f, status) GROUP BY 1
            UNION ALL
            SELECT 'early', kept WHERE kept > 0
        ), added AS (
            INSERT INTO herald.receipt_counts AS c (kind, n)
            SELECT k.kind, k.n FROM counted k WHERE k.kind <> 'again' ORDER BY k.kind
            ON CONFLICT (kind) DO UPDATE SET n = c.n + EXCLUDED.n
        )
        SELECT k.kind, k.n FROM counted k;
END
$$;
