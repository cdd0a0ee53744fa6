-- herald.setting(name): a value of herald.settings. Raises where there is none: a setting that the code reads always exists.
CREATE OR REPLACE FUNCTION herald.setting(setting_name text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_value text;
BEGIN
    SELECT s.value INTO found_value FROM herald.settings s WHERE s.name = setting_name;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'herald.settings has no row "%"', setting_name
            USING HINT = format('INSERT INTO herald.settings (name, value) VALUES (%L, …)', setting_name);
    END IF;
    RETURN found_value;
END
$$;
