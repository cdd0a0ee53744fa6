-- herald.plan_sweep(rule): evaluates the rule's whole source and plans what it does not know yet, in chunks of 1,000 rows, so
-- that memory stays bounded. Counts the keys that can't be planned anew.
CREATE OR REPLACE FUNCTION herald.plan_sweep(rule herald.rules) RETURNS herald.plan_counts
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    chunk record;
    one herald.plan_counts;
    done herald.plan_counts := ROW(0, 0, 0, 0, 0, 0);
BEGIN
    UPDATE herald.rules r SET bad_keys = 0, bad_key_example = NULL WHERE r.name = rule.name AND r.bad_keys > 0;
    FOR chunk IN EXECUTE format($q$
            SELECT array_agg(x.d) FILTER (WHERE x.is_new) AS due_rows,
                   count(*) AS found,
                   count(*) FILTER (WHERE NOT x.is_new) AS known
              FROM (SELECT d, n.id IS NULL AS is_new, (row_number() OVER () - 1) / 1000 AS chunk
                      FROM herald.%I() d
                      LEFT JOIN public.whatsapp_notifications n ON n.rule = $1 AND n.dedup_key = d.dedup_key) x
             GROUP BY x.chunk$q$, 'source_' || rule.id) USING rule.name
    LOOP
        one := herald.plan_rows(rule, chunk.due_rows);
        done := ROW(done.found + chunk.found, done.new + one.new, done.known + chunk.known + one.known,
                    done.suppressed + one.suppressed, done.failed + one.failed, 0)::herald.plan_counts;
    END LOOP;
    RETURN done;
END
$$;
