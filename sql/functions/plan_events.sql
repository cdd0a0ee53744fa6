-- herald.plan_events(rule, batch): confirms and gathers what of the rule waits for that, takes up to batch captured events and plans their
-- keys, in the order in which they were captured. A batch that fails is halved until the bad key stands alone, which is set aside with its
-- error. more: there are further events.
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
BEGIN
    done := ROW(0, 0, 0, 0, 0, 0);
    IF rule.recheck OR rule.digest IS NOT NULL THEN
        DELETE FROM herald.rechecks c WHERE c.rule = rule.name;
        PERFORM herald.recheck(rule) WHERE rule.recheck;
        PERFORM herald.compose_digests(rule) WHERE rule.digest IS NOT NULL;
    END IF;
    WITH gone AS (
        DELETE FROM herald.events e
         WHERE e.ctid = ANY (ARRAY(
               SELECT f.ctid FROM herald.events f WHERE f.rule = rule.name AND f.id > (SELECT x.event_id FROM herald.floors x)
                ORDER BY f.id LIMIT batch))
        RETURNING e.id, e.key
    )
    SELECT array_agg(g.key ORDER BY g.id) FILTER (WHERE g.key IS NOT NULL), coalesce(sum(g.n), 0), coalesce(bool_or(g.key IS NULL), false)
      INTO keys, taken, asks_sweep FROM (SELECT f.key, min(f.id) AS id, count(*) AS n FROM gone f GROUP BY f.key) g;
    more := taken = batch;
    IF asks_sweep THEN
        UPDATE herald.rules r SET next_sweep_at = clock_timestamp() WHERE r.name = rule.name;
    END IF;
    IF keys IS NOT NULL THEN
        PERFORM herald.pin_formats();
        done := herald.plan_keys(rule, keys);
    END IF;
END
$$;
