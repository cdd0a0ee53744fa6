-- herald.metric_label(text): as the value of a label in Prometheus' text format.
CREATE OR REPLACE FUNCTION herald.metric_label(t text) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
    SELECT replace(replace(replace(t, '\', '\\'), '"', '\"'), E'\n', '\n');
$$;
