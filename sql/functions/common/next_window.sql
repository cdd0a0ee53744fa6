-- herald.next_window(moment, zone, opens, closes): the moment itself where the clock of that time zone stands between opens and
-- closes (which may lie beyond midnight: 22:00 to 06:00), else when it next does: for a view's not_before. opens = closes:
-- always open. An hour that the change to summer time leaves out opens when the clocks have moved on.
CREATE OR REPLACE FUNCTION herald.next_window(moment timestamptz, zone text, opens time, closes time) RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    local timestamp := moment AT TIME ZONE zone;
    clock time := local::time;
    today timestamptz := (local::date + opens) AT TIME ZONE zone;
BEGIN
    IF opens = closes OR opens < closes AND clock >= opens AND clock < closes
       OR opens > closes AND (clock >= opens OR clock < closes) THEN
        RETURN moment;
    END IF;
    RETURN CASE WHEN today > moment THEN today ELSE (local::date + 1 + opens) AT TIME ZONE zone END;
END
$$;
