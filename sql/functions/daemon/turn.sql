-- herald.turn(incarnation, room, …): one turn of a daemon's dispatcher, in one round trip and one synchronous commit: records
-- the outcomes of finished attempts, claims up to room new messages, and looks what else there is to do.
--
-- Statistics of a queue table are always wrong: everything on this path is looked up by index, by plans that are kept.
--
-- The arrays are those of herald.settle(). Yields, in this order:
--   'again'           id, attempt_id: somebody has locked the row, so its outcome was not recorded: tell it again
--   'opened', 'held'  sender: a sender that works again, or fails; body says why
--   'claim'           id, attempt_id, sender, target, target_kind, body; detail: the gateway's template, {"media": …} of a part,
--                     or NULL
--   'sender'          sender; target: base_url, target_kind: gateway, body: credential, detail: account
--   'left'            id: how many due rows the claim met (as many as room: call again at once)
--   'ask'             sender: its gateway is to be asked how it is, or, target: told to 'pair' or 'unpair' it; a row 'sender'
--                     follows
--   'task'            target: rule, target_kind: 'events' or 'sweep', id: its time limit in ms, body: 'urgent' where the rule
--                     goes before others, else NULL
--   'look'            id: microseconds until the next thing is due by the clock (NULL: nothing), or until the next look where
--                     something was met; sender: pg_snapshot_xmin before the look; target: 'poll' where the bell can't be
--                     relied on; target_kind: the schema's version; body: the request's time limit in ms; detail: the last
--                     number of the events' sequence
CREATE OR REPLACE FUNCTION herald.turn(
    incarnation bigint,
    room int,
    ids bigint[],
    attempt_ids bigint[],
    outcomes text[],
    scopes text[],
    waits int[],
    codes int[],
    message_ids text[],
    bodies text[],
    errors text[]
) RETURNS SETOF herald.turn_row
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_material = off
AS $$
#variable_conflict use_column
DECLARE
    xmin_before text := pg_snapshot_xmin(pg_current_snapshot())::text;
    met_rows bigint := 0;
    locked bigint[];
BEGIN
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    IF cardinality(ids) > 0 THEN
        locked := herald.locked_rows(ids);
        IF locked <> '{}' THEN
            RETURN QUERY SELECT 'again', o.id, o.attempt_id, NULL, NULL, NULL, NULL, NULL
                           FROM unnest(ids, attempt_ids) o (id, attempt_id) WHERE o.id = ANY (locked);
            SELECT coalesce(array_agg(o.id), '{}'), array_agg(o.attempt_id), array_agg(o.outcome), array_agg(o.scope),
                   array_agg(o.wait_sec), array_agg(o.code), array_agg(o.message_id), array_agg(o.body), array_agg(o.error)
              INTO ids, attempt_ids, outcomes, scopes, waits, codes, message_ids, bodies, errors
              FROM unnest(ids, attempt_ids, outcomes, scopes, waits, codes, message_ids, bodies, errors)
                   o (id, attempt_id, outcome, scope, wait_sec, code, message_id, body, error)
             WHERE o.id <> ALL (locked);
        END IF;
    END IF;
    IF cardinality(ids) > 0 THEN
        RETURN QUERY SELECT s.what, NULL::bigint, NULL::bigint, s.sender, NULL, NULL, s.reason, NULL
                       FROM herald.settle(ids, attempt_ids, outcomes, scopes, waits, codes, message_ids, bodies, errors) s;
        IF EXISTS (SELECT FROM herald.receipts_early) THEN
            PERFORM herald.apply_early(ids, message_ids);
        END IF;
    END IF;
    IF EXISTS (SELECT FROM herald.wake_requests) THEN
        LOCK TABLE herald.claim_lock IN EXCLUSIVE MODE;
        PERFORM herald.wake_deferred();
    END IF;
    IF cardinality(ids) > 0 OR room > 0 AND herald.is_due() THEN
        LOCK TABLE herald.claim_lock IN EXCLUSIVE MODE;
        IF cardinality(ids) > 0 THEN
            PERFORM herald.release_behind(ids);
        END IF;
        IF room > 0 THEN
            RETURN QUERY SELECT c.* FROM herald.claim(incarnation, room) c;
            GET DIAGNOSTICS met_rows = ROW_COUNT;
        END IF;
        IF EXISTS (SELECT FROM herald.floors f WHERE f.looked_at < clock_timestamp() - interval '2 s') THEN
            PERFORM herald.raise_floors();
        END IF;
    END IF;
    IF EXISTS (SELECT FROM herald.health h WHERE h.ask_at <= clock_timestamp()) THEN
        RETURN QUERY SELECT a.* FROM herald.ask() a;
    END IF;
    IF EXISTS (SELECT FROM herald.acknowledgements s WHERE s.acknowledge_by <= clock_timestamp()) THEN
        RETURN QUERY SELECT f.what, NULL::bigint, NULL::bigint, f.sender, NULL, NULL, f.reason, NULL FROM herald.find_stalled() f;
    END IF;
    RETURN QUERY
        SELECT 'task', (extract(epoch FROM t.time_limit) * 1000)::bigint, NULL::bigint, NULL::text, t.rule::text, t.kind,
               CASE WHEN t.urgent THEN 'urgent' END, NULL::text
          FROM herald.tasks t
        UNION ALL
        -- What is claimed should leave before anything else is thought about.
        SELECT 'look', CASE WHEN met_rows = 0 THEN herald.next_due_usec(incarnation, room) ELSE 1000 END, NULL, xmin_before,
               CASE WHEN current_setting('max_prepared_transactions') <> '0' OR pg_notification_queue_usage() > 0.25
                    THEN 'poll' END,
               (SELECT max(m.version)::text FROM herald.migrations m),
               (SELECT (extract(epoch FROM s.value::interval) * 1000)::bigint::text FROM herald.settings s
                WHERE s.name = 'request_time_limit'),
               (SELECT e.last_value::text FROM herald.events_id_seq e);
END
$$;
