-- herald.local_time(at): for people, in the installation's time zone, with the zone.
CREATE OR REPLACE FUNCTION herald.local_time(at timestamptz) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    zone text := herald.setting('timezone');
    local timestamp := at AT TIME ZONE zone;
    east interval := local - (at AT TIME ZONE 'UTC');
BEGIN
    RETURN to_char(local, 'YYYY-MM-DD HH24:MI:SS') || ' '
        || CASE WHEN zone = 'UTC' THEN 'UTC'
                ELSE CASE WHEN east < '0' THEN '-' ELSE '+' END
                     || to_char(make_interval(secs => abs(extract(epoch FROM east))), 'HH24:MI') END;
END
$$;
