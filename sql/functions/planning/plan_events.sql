-- herald.plan_events(rule, batch): confirms and gathers what of the rule waits for that, takes up to batch captured events and
-- plans their keys, in the order in which they were captured. A batch that fails is halved until the bad key stands alone,
-- which is set aside with its error; so is the one key of a batch of one, to which the planner comes, when it takes longer than
-- the time limit. What waits can't keep new events from being planned: where it takes too long to confirm it, or fails, it is
-- put off. more: there are further events.
CREATE OR REPLACE FUNCTION herald.plan_events(rule herald.rules, batch int, OUT done herald.plan_counts, OUT more boolean)
LANGUAGE plpgsql
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    keys text[];
    taken bigint;
    asks_sweep boolean;
    is_asked boolean;
    why text;
BEGIN
    done := ROW(0, 0, 0, 0, 0, 0);
    more := false;
    IF rule.recheck OR rule.digest IS NOT NULL THEN
        DELETE FROM herald.rechecks c WHERE c.rule = rule.name;
        is_asked := FOUND;
        BEGIN
            done.set_aside := CASE WHEN rule.recheck THEN herald.recheck(rule) ELSE 0 END;
            PERFORM herald.compose_digests(rule) WHERE rule.digest IS NOT NULL;
        EXCEPTION
            WHEN query_canceled THEN
                why := format('it took longer than time_limit, %s, to confirm or gather it', rule.time_limit);
                more := true;  -- the time for events is over, too
            WHEN OTHERS THEN
                IF NOT herald.error_is_of_row(SQLSTATE) THEN
                    RAISE;
                END IF;
                why := SQLERRM || ' (SQLSTATE ' || SQLSTATE || ')';
        END;
        IF why IS NOT NULL THEN
            PERFORM herald.put_off(rule.name, array_agg(n.id ORDER BY n.next_at, n.id), ARRAY[why])
               FROM herald.lanes l JOIN public.whatsapp_notifications n ON n.lane = l.id
              WHERE l.rule = rule.name AND n.next_at BETWEEN l.floor AND clock_timestamp() + coalesce(rule.digest, '30 s')
                AND n.owner IS NULL AND NOT n.behind AND n.part_of IS NULL;
            done.set_aside := 1;
        END IF;
        -- Whether a single key is too slow shows only where it has the whole time for itself.
        more := more OR is_asked AND batch = 1;
        IF more THEN
            RETURN;
        END IF;
    END IF;
    WITH gone AS (
        DELETE FROM herald.events e
         WHERE e.ctid = ANY (ARRAY(
               SELECT f.ctid FROM herald.events f WHERE f.rule = rule.name AND f.id > (SELECT x.event_id FROM herald.floors x)
                ORDER BY f.id LIMIT batch))
        RETURNING e.id, e.key
    )
    SELECT array_agg(g.key ORDER BY g.id) FILTER (WHERE g.key IS NOT NULL), coalesce(sum(g.n), 0),
        coalesce(bool_or(g.key IS NULL), false)
      INTO keys, taken, asks_sweep FROM (SELECT f.key, min(f.id) AS id, count(*) AS n FROM gone f GROUP BY f.key) g;
    more := taken = batch;
    IF asks_sweep THEN
        UPDATE herald.rules r SET next_sweep_at = clock_timestamp() WHERE r.name = rule.name;
    END IF;
    IF keys IS NOT NULL THEN
        PERFORM herald.pin_formats();
        BEGIN
            done := herald.add_counts(done, herald.plan_keys(rule, keys));
        EXCEPTION WHEN query_canceled THEN
            IF batch > 1 THEN
                RAISE;
            END IF;
            PERFORM herald.put_aside(rule.name, keys[1], format('it took longer than time_limit, %s', rule.time_limit));
            done.set_aside := done.set_aside + 1;
        END;
    END IF;
END
$$;
