-- herald.since(text): a time that a person gave: '2026-03-01 08:00', or an interval back from now ('2 hours'). Raises where it
-- is neither.
CREATE OR REPLACE FUNCTION herald.since(given text) RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN clock_timestamp() - given::interval;
EXCEPTION WHEN invalid_datetime_format OR datetime_field_overflow OR interval_field_overflow THEN
    BEGIN
        RETURN given::timestamptz;
    EXCEPTION WHEN invalid_datetime_format OR datetime_field_overflow OR interval_field_overflow OR invalid_parameter_value THEN
        RAISE EXCEPTION '"%" is no time', left(given, 60) USING ERRCODE = 'invalid_datetime_format',
            HINT = 'Give a time that has passed: 2026-03-01 08:00, or 30 days.';
    END;
END
$$;
