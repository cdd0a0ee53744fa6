-- herald.generate_capture_row_function(name, rule, key, changed, look): the row-level capture function of a watch, for tables
-- that logical replication feeds. See herald.generate_capture().
CREATE OR REPLACE FUNCTION herald.generate_capture_row_function(function_name text, rule text, key name, changed text, look text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM herald.make_function(format('%I()', function_name), 'trigger', '{}', format($f$
        BEGIN
            %1$s
            IF NOT (%4$s) THEN
                RETURN NULL;
            END IF;
            INSERT INTO herald.events (rule, key) VALUES (%2$L, %3$s);
            %5$s
            RETURN NULL;
        END$f$,
        herald.guard('herald_capture', 'RAISE WARNING ''herald: a change is not captured: somebody has altered its function, which '
                                       'pgherald migrate makes anew''; RETURN NULL'),
        rule, herald.key_text('NEW', key), changed, look), 'herald_capture');
END
$$;
