-- herald.gateway_template(template, data): what a gateway that knows the template by name is told: {"name", "language",
-- "parameters": [{"name" if named, "text"}]}; NULL where the template is plain text. problem: a parameter's field is missing.
CREATE OR REPLACE FUNCTION herald.gateway_template(template herald.templates, data jsonb, OUT message jsonb, OUT problem text)
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    hole text;
    parameters jsonb;
BEGIN
    IF template.gateway_name IS NULL THEN
        RETURN;
    END IF;
    SELECT min(p.field) FILTER (WHERE data ->> p.field IS NULL),
           coalesce(jsonb_agg(CASE WHEN p.named IS NULL THEN jsonb_build_object('text', data ->> p.field)
                                   ELSE jsonb_build_object('name', p.named, 'text', data ->> p.field) END ORDER BY p.place), '[]')
      INTO hole, parameters
      FROM (SELECT CASE WHEN u.text LIKE '%=%' THEN split_part(u.text, '=', 2) ELSE u.text END AS field,
                   CASE WHEN u.text LIKE '%=%' THEN split_part(u.text, '=', 1) END AS named, u.place
              FROM unnest(template.parameters) WITH ORDINALITY u (text, place)) p;
    IF hole IS NOT NULL THEN
        problem := format('template "%s" needs field "%s" as a parameter, which the row''s data does not have', template.name,
                          hole);
        RETURN;
    END IF;
    message := jsonb_build_object('name', template.gateway_name,
                                  'language', coalesce(template.gateway_locale, nullif(template.locale, ''), 'en'),
                                  'parameters', parameters);
END
$$;
