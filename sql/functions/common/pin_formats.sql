-- herald.pin_formats(): for the rest of the transaction, evaluates time zone and formats as the installation has them: the text
-- of a key or a message must not depend on who asks. What is as it should be already is left alone: the daemon's sessions are.
CREATE OR REPLACE FUNCTION herald.pin_formats() RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM set_config(f.name, f.value, true)
       FROM (VALUES ('TimeZone', (SELECT s.value FROM herald.settings s WHERE s.name = 'timezone')), ('DateStyle', 'ISO, YMD'),
                    ('IntervalStyle', 'postgres'), ('extra_float_digits', '1'), ('bytea_output', 'hex'), ('lc_numeric', 'C'),
                    ('lc_monetary', 'C'), ('lc_time', 'C')) AS f (name, value)
      WHERE current_setting(f.name) <> f.value;
END
$$;
