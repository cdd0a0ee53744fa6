-- herald.render(template, data): the text of a template over a row's data. problem: a field that is missing or null (then body
-- is NULL): a message never goes out with a hole in it.
CREATE OR REPLACE FUNCTION herald.render(template herald.templates, data jsonb, OUT body text, OUT problem text)
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    field_values text[];
    hole int;
BEGIN
    IF cardinality(template.fields) = 0 THEN
        body := format(template.format);
        RETURN;
    END IF;
    SELECT array_agg(data ->> f.name ORDER BY f.place) INTO field_values
      FROM unnest(template.fields) WITH ORDINALITY f (name, place);
    hole := array_position(field_values, NULL);
    IF hole IS NOT NULL THEN
        problem := format('template "%s" needs field "%s", which the row''s data %s', template.name, template.fields[hole],
                          CASE WHEN data ? template.fields[hole] THEN 'has as null' ELSE 'does not have' END);
        RETURN;
    END IF;
    body := format(template.format, VARIADIC field_values);
END
$$;
