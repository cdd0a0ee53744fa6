-- herald.quiet_until(recipient, moment): until when the recipient wants to be left in peace, by quiet_hours in their time zone
-- (else the installation's); NULL: they may be told now. A time zone that does not exist is as good as none: herald.check()
-- tells of it.
CREATE OR REPLACE FUNCTION herald.quiet_until(recipient herald.recipients, moment timestamptz) RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    quiet_from time := split_part(recipient.quiet_hours, '-', 1);
    quiet_to time := split_part(recipient.quiet_hours, '-', 2);
BEGIN
    IF quiet_from = quiet_to THEN
        RETURN NULL;
    END IF;
    RETURN nullif(herald.next_window(moment, coalesce(recipient.timezone, herald.setting('timezone')), quiet_to, quiet_from),
                  moment);
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN nullif(herald.next_window(moment, herald.setting('timezone'), quiet_to, quiet_from), moment);
END
$$;
