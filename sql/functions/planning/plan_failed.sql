-- herald.plan_failed(rule, kind, error): notes that planning a rule failed, and when it is tried again: after 1 s, doubling,
-- at most 5 minutes. Its captured events stay. A failing sweep does not hold up the captured events, nor do they forget its error.
CREATE OR REPLACE FUNCTION herald.plan_failed(rule_name text, kind text, why text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM pg_advisory_unlock_all();  -- as herald.plan() would have, had it come to its end
    UPDATE herald.rules r
       SET error = CASE WHEN kind = 'sweep' THEN 'sweep: ' ELSE '' END || why,
           error_at = clock_timestamp(), failures = r.failures + 1,
           retry_at = CASE WHEN kind <> 'sweep' THEN again ELSE r.retry_at END,
           next_sweep_at = CASE WHEN kind = 'sweep' THEN again ELSE r.next_sweep_at END
      FROM (SELECT w.name, clock_timestamp() + least(interval '5 min', interval '1 s' * 2 ^ least(w.failures, 10)) AS again
              FROM herald.rules w WHERE w.name = rule_name) f
     WHERE r.name = f.name;
END
$$;
