-- herald.pin_formats(): for the rest of the transaction, evaluates time zone and formats as the installation has them: the text
-- of a key or a message must not depend on who asks.
CREATE OR REPLACE FUNCTION herald.pin_formats() RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM set_config('TimeZone', herald.setting('timezone'), true),
           set_config('DateStyle', 'ISO, YMD', true),
           set_config('IntervalStyle', 'postgres', true),
           set_config('extra_float_digits', '1', true),
           set_config('bytea_output', 'hex', true),
           set_config('lc_numeric', 'C', true),
           set_config('lc_monetary', 'C', true),
           set_config('lc_time', 'C', true);
END
$$;
