-- herald.lease(): how long a claim lasts: the request's time limit and 15 s. It is never renewed.
CREATE OR REPLACE FUNCTION herald.lease() RETURNS interval
LANGUAGE sql STABLE
AS $$
    SELECT herald.setting('request_time_limit')::interval + interval '15 s';
$$;
