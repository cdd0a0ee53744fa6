-- herald.put_aside(rule, key, error): notes a key whose row can't be evaluated, in one row however often it is met.
CREATE OR REPLACE FUNCTION herald.put_aside(rule_name text, bad_key text, why text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE herald.set_aside a SET error = why, at = clock_timestamp() WHERE a.rule = rule_name AND a.key = bad_key;
    IF NOT FOUND THEN
        INSERT INTO herald.set_aside (rule, key, error) VALUES (rule_name, bad_key, why);
    END IF;
END
$$;
