-- herald.generate_capture_row_function(name, rule, key, changed, bell): the row-level capture function of a watch, for tables
-- that logical replication feeds. See herald.generate_capture().
CREATE OR REPLACE FUNCTION herald.generate_capture_row_function(function_name text, rule text, key text, changed text, bell text)
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
            PERFORM FROM herald.listeners l WHERE l.asleep_until > clock_timestamp() OR l.attended_until < clock_timestamp();
            IF FOUND OR current_setting('transaction_isolation') <> 'read committed' THEN
                IF NOT EXISTS (SELECT FROM herald.listeners l WHERE l.attended_until > clock_timestamp()) THEN
                    PERFORM herald.capture_as_sweep(%2$L, false);
                END IF;
                IF current_setting('transaction_isolation') <> 'read committed'
                   OR EXISTS (SELECT FROM herald.listeners l WHERE l.asleep_until > clock_timestamp()) THEN
                    PERFORM %5$s;
                END IF;
            END IF;
            RETURN NULL;
        END
        $capture$ $f$, function_name, rule, key, changed, bell);
    PERFORM herald.give_function(format('herald.%I()', function_name), 'herald_capture');
END
$$;
