-- herald.pin_formats(): for the rest of the transaction, evaluates time zone and formats as the installation has them: the text
-- of a key or a message must not depend on who asks. What is as it should be already is left alone: the daemon's sessions are.
CREATE OR REPLACE FUNCTION herald.pin_formats() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wanted constant text[] := ARRAY[['TimeZone', herald.setting('timezone')], ['DateStyle', 'ISO, YMD'], ['IntervalStyle', 'postgres'],
                                    ['extra_float_digits', '1'], ['bytea_output', 'hex'], ['lc_numeric', 'C'],
                                    ['lc_monetary', 'C'], ['lc_time', 'C']];
BEGIN
    FOR i IN 1 .. cardinality(wanted) / 2 LOOP
        IF current_setting(wanted[i][1]) <> wanted[i][2] THEN
            PERFORM set_config(wanted[i][1], wanted[i][2], true);
        END IF;
    END LOOP;
END
$$;
