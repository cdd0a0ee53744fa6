-- herald.lease(): how long a claim lasts: the request's time limit and 15 s. It is never renewed.
CREATE OR REPLACE FUNCTION herald.lease() RETURNS interval
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN herald.setting('request_time_limit')::interval + interval '15 s';
END
$$;
