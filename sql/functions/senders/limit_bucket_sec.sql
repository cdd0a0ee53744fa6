-- herald.limit_bucket_sec(span): the length of the spans in which a rolling window is counted: 1 s for windows up to a minute,
-- a sixtieth for longer ones. A window counts the span it begins in as a whole, so a limit is never exceeded.
CREATE OR REPLACE FUNCTION herald.limit_bucket_sec(span interval) RETURNS int
LANGUAGE sql IMMUTABLE
AS $$
    SELECT greatest(1, ceil(extract(epoch FROM span) / 60))::int;
$$;
