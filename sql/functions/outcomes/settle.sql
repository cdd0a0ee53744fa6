-- herald.settle(…): records the outcomes of finished attempts; the arrays run in parallel, one element an attempt.
--
--   outcomes     'accepted', 'rejected', 'wait', 'in_doubt'
--   scopes       of a wait: 'message', 'sender', 'template', 'recipient'; of one rejected 'recipient' where they have opted
--                out; of one in doubt 'sender' where that is to wait; else NULL
--   waits        of a wait: seconds that the gateway asked for; NULL or -1: the back-off decides
--   codes        HTTP status; message_ids: the gateway's; bodies: its answer; errors: why, for a person
--
-- Yields what a person should hear of: ('held', sender, why), ('opened', sender, NULL), ('rule held' …) as in herald.turn().
-- An attempt that is no longer the row's own is not dropped: see herald.settle_late().
-- Rows are found by id: 'sending' means the same as having an owner, but keeps the planner off the index of those in flight.
CREATE OR REPLACE FUNCTION herald.settle(
    ids bigint[],
    attempt_ids bigint[],
    outcomes text[],
    scopes text[],
    waits int[],
    codes int[],
    message_ids text[],
    bodies text[],
    errors text[]
) RETURNS TABLE (what text, sender text, reason text)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    moment timestamptz := clock_timestamp();
    recorded bigint;
    working text[];
    secs float8[];
    parts bigint[];
    parts_senders text[];
    one record;
BEGIN
    WITH accepted AS (
        UPDATE public.whatsapp_notifications n
           SET send_status = 'sent', sent_at = moment, next_at = NULL, owner = NULL, response_code = o.code,
               response_body = o.body, message_id = o.message_id, error = NULL
          FROM unnest(ids, attempt_ids, outcomes, codes, message_ids, bodies)
               AS o (id, attempt_id, outcome, code, message_id, body)
         WHERE o.outcome = 'accepted' AND n.id = o.id AND n.attempt_id = o.attempt_id AND n.send_status = 'sending'
        RETURNING n.sender, n.next_part, extract(epoch FROM moment - n.created_at)::float8 AS sec
    )
    SELECT count(*), array_agg(a.sender), array_agg(a.sec), array_agg(a.next_part) FILTER (WHERE a.next_part IS NOT NULL),
           array_agg(a.sender) FILTER (WHERE a.next_part IS NOT NULL)
      INTO recorded, working, secs, parts, parts_senders FROM accepted a;
    IF parts IS NOT NULL THEN
        PERFORM herald.send_parts(parts, parts_senders);
    END IF;

    IF working IS NOT NULL THEN
        PERFORM herald.count_latencies('sent', secs);
        UPDATE herald.sender_state s
           SET failures = 0,
               trusted = (SELECT CASE WHEN s.trusted + count(w) < coalesce(r.max_in_flight, 100) THEN s.trusted + count(w) END
                            FROM herald.senders r JOIN unnest(working) w ON w = r.name
                           WHERE r.name = s.sender GROUP BY r.max_in_flight)
         WHERE s.sender = ANY (working) AND (s.failures > 0 OR s.trusted IS NOT NULL);
        UPDATE herald.acknowledgements a SET acknowledge_by = moment + herald.setting('acknowledge_limit')::interval
         WHERE a.sender IN (SELECT l.sender FROM herald.acknowledgements l
                             WHERE l.sender = ANY (working) AND l.acknowledged_at IS NOT NULL AND l.acknowledge_by IS NULL
                               FOR NO KEY UPDATE SKIP LOCKED);
        IF EXISTS (SELECT FROM herald.holds h WHERE h.kind = 'sender' AND h.cause = 'blocked' AND h.name = ANY (working)) THEN
            RETURN QUERY SELECT o.* FROM herald.open_senders(working) o;
        END IF;
    END IF;
    IF recorded = cardinality(ids) THEN
        RETURN;
    END IF;

    FOR one IN SELECT o.* FROM unnest(ids, attempt_ids, outcomes, scopes, waits, codes, message_ids, bodies, errors)
                   AS o (id, attempt_id, outcome, scope, wait_sec, code, message_id, body, error) LOOP
        IF one.outcome = 'accepted' THEN
            PERFORM herald.settle_late(one.id, one.attempt_id, one.outcome, one.code, one.message_id, one.body, one.error);
        ELSE
            RETURN QUERY SELECT s.* FROM herald.settle_other(one.id, one.attempt_id, one.outcome, one.scope, one.wait_sec,
                                                             one.code, one.body, one.error) s;
        END IF;
    END LOOP;
END
$$;
