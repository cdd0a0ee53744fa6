-- herald.generate_capture_function(name, rule, changed, look): one statement-level capture function; changed is a query over
-- new_rows and old_rows that yields a column key; look: what it does once the events are written. See herald.generate_capture().
CREATE OR REPLACE FUNCTION herald.generate_capture_function(function_name text, rule text, changed text, look text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM herald.make_function(format('%I()', function_name), 'trigger', '{}', format($f$
        DECLARE
            captured bigint;
        BEGIN
            %1$s
            INSERT INTO herald.events (rule, key) SELECT %2$L, c.key FROM (%3$s) c LIMIT 10001;
            GET DIAGNOSTICS captured = ROW_COUNT;
            IF captured = 0 THEN
                RETURN NULL;
            ELSIF captured > 10000 THEN
                PERFORM herald.capture_as_sweep(%2$L, true);
            END IF;
            %4$s
            RETURN NULL;
        END$f$,
        herald.guard('herald_capture', 'RAISE WARNING ''herald: a change is not captured: somebody has altered its function, which '
                                       'pgherald migrate makes anew''; RETURN NULL'),
        rule, changed, look), 'herald_capture');
END
$$;
