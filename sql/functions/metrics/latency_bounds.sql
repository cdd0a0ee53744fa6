-- herald.latency_bounds(): the upper bounds, in seconds, of the classes that herald.latency_counts knows: those of a gateway
-- that is near, up to a day.
CREATE OR REPLACE FUNCTION herald.latency_bounds() RETURNS float8[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT '{0.005,0.01,0.025,0.05,0.1,0.25,0.5,1,2.5,5,10,30,60,300,1800,3600,21600,86400}'::float8[] $$;
