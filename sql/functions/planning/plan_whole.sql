-- herald.plan_whole(rule): evaluates the rule's whole source and plans what it does not know yet, in chunks of 1,000 rows, so that
-- memory stays bounded.
CREATE OR REPLACE FUNCTION herald.plan_whole(rule herald.rules) RETURNS herald.plan_counts
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    chunk record;
    done herald.plan_counts := ROW(0, 0, 0, 0, 0, 0);
BEGIN
    FOR chunk IN EXECUTE format($q$
            SELECT array_agg(x.d) FILTER (WHERE x.is_new) AS due_rows,
                   count(*) FILTER (WHERE NOT x.is_new) AS known
              FROM (SELECT d, n.id IS NULL AS is_new, (row_number() OVER () - 1) / 1000 AS chunk
                      FROM herald.%I() d
                      LEFT JOIN public.whatsapp_notifications n ON n.rule = $1 AND n.dedup_key = d.dedup_key) x
             GROUP BY x.chunk ORDER BY x.chunk$q$, 'source_' || rule.id) USING rule.name
    LOOP
        done := herald.add_counts(done, ROW(chunk.known, 0, chunk.known, 0, 0, 0)::herald.plan_counts);
        done := herald.add_counts(done, herald.plan_rows(rule, chunk.due_rows));
    END LOOP;
    RETURN done;
END
$$;
