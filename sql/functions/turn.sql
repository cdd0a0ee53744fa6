-- herald.turn(incarnation, room, …): one turn of a daemon's dispatcher, in one round trip and one synchronous commit: records
-- the outcomes of finished attempts, claims up to room new messages, and looks what else there is to do.
--
-- The arrays are those of herald.settle(). Yields, in this order:
--   'opened', 'held'  sender: a sender that works again, or fails; body says why
--   'claim'           id, attempt_id, sender, target, target_kind, body; detail: the gateway's template, or NULL
--   'sender'          sender; target: base_url, target_kind: gateway, body: credential, detail: account
--   'task'            target: rule, target_kind: 'events' or 'sweep', id: its time limit in ms
--   'look'            id: microseconds until the next thing is due by the clock (NULL: nothing); attempt_id: due rows met by the
--                     claim (as many as room: call again); sender: pg_snapshot_xmin before the look; target: 'poll' where
--                     the bell can't be relied on; target_kind: the schema's version; body: the request's time limit in ms;
--                     detail: the last number of the events' sequence
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
AS $$
#variable_conflict use_column
DECLARE
    xmin_before text := pg_snapshot_xmin(pg_current_snapshot())::text;
    settled record;
    one herald.turn_row;
    met bigint := 0;
BEGIN
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    IF cardinality(ids) > 0 THEN
        RETURN QUERY SELECT s.what, NULL::bigint, NULL::bigint, s.sender, NULL, NULL, s.reason, NULL
                       FROM herald.settle(ids, attempt_ids, outcomes, scopes, waits, codes, message_ids, bodies, errors) s;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('herald'), hashtext('claim'));
    IF cardinality(ids) > 0 THEN
        PERFORM herald.release_behind(ids);
    END IF;
    IF room > 0 THEN
        FOR one IN SELECT c.* FROM herald.claim(incarnation, room) c LOOP
            IF one.what = 'left' THEN
                met := one.id;
            ELSE
                RETURN NEXT one;
            END IF;
        END LOOP;
    END IF;
    RETURN QUERY SELECT t.* FROM herald.tasks() t;
    RETURN QUERY
        SELECT 'look', CASE WHEN met < room THEN herald.next_due_usec() ELSE 0 END, met, xmin_before,
               CASE WHEN current_setting('max_prepared_transactions') <> '0' OR pg_notification_queue_usage() > 0.25 THEN 'poll' END,
               (SELECT max(m.version)::text FROM herald.migrations m),
               (extract(epoch FROM herald.setting('request_time_limit')::interval) * 1000)::bigint::text,
               (SELECT e.last_value::text FROM herald.events_id_seq e);
END
$$;
