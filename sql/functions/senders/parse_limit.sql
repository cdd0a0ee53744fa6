-- herald.parse_limit('80/1 s'): n messages in each rolling span. Raises on anything else.
CREATE OR REPLACE FUNCTION herald.parse_limit(rolling_limit text, OUT n int, OUT span interval)
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF rolling_limit !~ '^\s*[0-9]{1,9}\s*/' THEN
        RAISE invalid_parameter_value USING MESSAGE = 'x';
    END IF;
    n := split_part(rolling_limit, '/', 1);
    span := split_part(rolling_limit, '/', 2);
    IF n = 0 OR span < '1 s' OR span > '40 days' THEN
        RAISE invalid_parameter_value USING MESSAGE = 'x';
    END IF;
EXCEPTION WHEN data_exception THEN
    RAISE EXCEPTION 'limit "%" is not of the form n/span', rolling_limit
        USING HINT = 'Write 80/1 s, 100/15 min or 1000/1 day; spans from 1 s to 40 days.',
              ERRCODE = 'invalid_parameter_value';
END
$$;
