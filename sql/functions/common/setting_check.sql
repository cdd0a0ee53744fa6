-- Trigger on herald.settings: refuses what can't be understood, at once and by name, for the daemon could do nothing with it;
-- and takes no row away that the code reads.
CREATE OR REPLACE FUNCTION herald.setting_check() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wanted text;
BEGIN
    IF TG_OP = 'DELETE' OR TG_OP = 'UPDATE' AND NEW.name <> OLD.name THEN
        RAISE EXCEPTION 'setting "%" is needed', OLD.name USING HINT = 'Change its value instead.';
    END IF;
    BEGIN
        wanted := 'a time, as 30 s';
        CASE
            WHEN NEW.name IN ('request_time_limit', 'retry_base', 'retry_cap', 'probe_base', 'probe_cap', 'acknowledge_limit') THEN
                ASSERT NEW.value::interval > '0';
            WHEN NEW.name IN ('part_gap', 'old_snapshot') THEN
                ASSERT NEW.value::interval >= '0';
            WHEN NEW.name IN ('health_interval', 'forget_after', 'delete_after') THEN
                wanted := 'a time, as 5 min, or empty';
                ASSERT nullif(NEW.value, '')::interval > '0' IS NOT FALSE;
            WHEN NEW.name = 'failures_in_a_row' THEN
                wanted := 'a number';
                ASSERT NEW.value::int >= 1;
            WHEN NEW.name = 'timezone' THEN
                wanted := 'a time zone, as Asia/Dhaka';
                PERFORM clock_timestamp() AT TIME ZONE NEW.value;
            WHEN NEW.name = 'default_country' THEN
                wanted := 'a calling code, as 880, or empty';
                ASSERT NEW.value ~ '^([1-9][0-9]{0,3})?$';
            WHEN NEW.name IN ('stop_words', 'start_words') THEN
                ASSERT length(NEW.value) <= 1000;
            ELSE
                wanted := NULL;
        END CASE;
    EXCEPTION WHEN data_exception OR assert_failure OR invalid_parameter_value THEN
        RAISE EXCEPTION 'setting "%" can''t be "%"', NEW.name, NEW.value
            USING HINT = format('It is %s.', wanted), ERRCODE = 'invalid_parameter_value';
    END;
    IF wanted IS NULL THEN
        RAISE EXCEPTION 'there is no setting "%"', NEW.name
            USING HINT = format('There is: %s.', (SELECT string_agg(s.name, ', ' ORDER BY s.name) FROM herald.settings s));
    END IF;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER setting_check BEFORE INSERT OR UPDATE OR DELETE ON herald.settings
    FOR EACH ROW EXECUTE FUNCTION herald.setting_check();
