-- herald.generate_capture_row_function(name, rule, key, changed, look): the row-level capture function of a watch, for tables
-- that logical replication feeds. See herald.generate_capture().
CREATE OR REPLACE FUNCTION herald.generate_capture_row_function(function_name text, rule text, key text, changed text, look text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format($f$
        CREATE OR REPLACE FUNCTION herald.%1$I() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $capture$
        BEGIN
            IF NOT (%4$s) THEN
                RETURN NULL;
            END IF;
            INSERT INTO herald.events (rule, key) VALUES (%2$L, NEW.%3$I::text);
            %5$s
            RETURN NULL;
        END
        $capture$ $f$, function_name, rule, key, changed, look);
    PERFORM herald.give_function(format('herald.%I()', function_name), 'herald_capture');
END
$$;
