-- herald.generate_capture_function(name, rule, changed, bell): one statement-level capture function; changed is a query over
-- new_rows and old_rows that yields a column key. See herald.generate_capture().
CREATE OR REPLACE FUNCTION herald.generate_capture_function(function_name text, rule text, changed text, bell text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format($f$
        CREATE OR REPLACE FUNCTION herald.%1$I() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $capture$
        DECLARE
            captured bigint;
        BEGIN
            INSERT INTO herald.events (rule, key) SELECT %2$L, c.key FROM (%3$s) c LIMIT 10001;
            GET DIAGNOSTICS captured = ROW_COUNT;
            IF captured = 0 THEN
                RETURN NULL;
            ELSIF captured > 10000 THEN
                PERFORM herald.capture_as_sweep(%2$L, true);
            END IF;
            PERFORM FROM herald.listeners l WHERE l.asleep_until > clock_timestamp() OR l.attended_until < clock_timestamp();
            IF FOUND OR current_setting('transaction_isolation') <> 'read committed' THEN
                IF NOT EXISTS (SELECT FROM herald.listeners l WHERE l.attended_until > clock_timestamp()) THEN
                    PERFORM herald.capture_as_sweep(%2$L, false);
                END IF;
                IF current_setting('transaction_isolation') <> 'read committed'
                   OR EXISTS (SELECT FROM herald.listeners l WHERE l.asleep_until > clock_timestamp()) THEN
                    PERFORM %4$s;
                END IF;
            END IF;
            RETURN NULL;
        END
        $capture$ $f$, function_name, rule, changed, bell);
    PERFORM herald.give_function(format('herald.%I()', function_name), 'herald_capture');
END
$$;
