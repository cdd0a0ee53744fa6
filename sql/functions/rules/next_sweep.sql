-- herald.next_sweep(rule, moment): when its next sweep after moment is due: the next multiple of "every" since midnight (of its
-- time zone) plus "offset", so that all nodes agree and a restart does not shift it. A daily sweep keeps its hour when summer
-- time begins or ends; one that comes each hour or more often keeps its pace. NULL where it has no schedule.
CREATE OR REPLACE FUNCTION herald.next_sweep(rule herald.rules, moment timestamptz DEFAULT clock_timestamp()) RETURNS timestamptz
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    zone text := coalesce(rule.timezone, herald.setting('timezone'));
    local_now timestamp := moment AT TIME ZONE zone;
    origin timestamp;
    step interval := rule.every;
    due timestamp;
BEGIN
    IF step IS NULL THEN
        RETURN NULL;
    END IF;
    IF extract(epoch FROM step) <= 86400 THEN
        origin := date_trunc('day', local_now) + rule."offset";
        IF origin > local_now THEN
            origin := origin - interval '1 day';
        END IF;
    ELSE
        origin := timestamp '2024-01-01' + rule."offset";  -- a Monday
    END IF;
    due := origin + ceil((extract(epoch FROM local_now - origin) + 0.000001) / extract(epoch FROM step))
        * make_interval(secs => extract(epoch FROM step)::double precision);
    IF extract(epoch FROM step) <= 86400 THEN
        due := least(due, origin + interval '1 day');
    END IF;
    IF step <= '1 hour' THEN
        RETURN moment + (due - local_now);
    END IF;
    RETURN due AT TIME ZONE zone;
END
$$;
