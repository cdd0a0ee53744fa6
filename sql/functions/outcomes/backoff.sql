-- herald.backoff(failures): exponential with full jitter: uniform between 1 s (or the base, where that is less) and
-- min(retry_cap, retry_base * 2^(failures-1)).
CREATE OR REPLACE FUNCTION herald.backoff(failures int) RETURNS interval
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    base interval := herald.setting('retry_base');
    top interval := least(herald.setting('retry_cap')::interval, base * 2 ^ least(greatest(failures, 1) - 1, 20));
    bottom interval := least(base, interval '1 s');
BEGIN
    RETURN bottom + random() * (top - bottom);
END
$$;
