-- herald.plan_failed(rule, kind, error): notes that planning a rule failed, and when it is tried again: after 1 s, doubling,
-- at most 5 minutes. Its captured events stay.
CREATE OR REPLACE FUNCTION herald.plan_failed(rule_name text, kind text, why text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE herald.rules r
       SET error = why, error_at = clock_timestamp(), failures = r.failures + 1,
           retry_at = clock_timestamp() + least(interval '5 min', interval '1 s' * 2 ^ least(r.failures, 10)),
           next_sweep_at = CASE kind WHEN 'sweep'
                                THEN clock_timestamp() + least(interval '5 min', interval '1 s' * 2 ^ least(r.failures, 10))
                                ELSE r.next_sweep_at END
     WHERE r.name = rule_name;
END
$$;
