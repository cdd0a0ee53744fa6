-- herald.preview(template, data): the text that the template gives over data, in its default locale. Raises where a field is
-- missing, naming it.
CREATE OR REPLACE FUNCTION herald.preview(template text, data jsonb DEFAULT '{}', locale text DEFAULT '') RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    wanted herald.templates;
    rendered record;
BEGIN
    SELECT t.* INTO wanted FROM herald.templates t WHERE t.name = preview.template AND t.locale IN (preview.locale, '')
     ORDER BY t.locale = preview.locale DESC LIMIT 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no template "%"', preview.template
            USING HINT = coalesce('There is: ' || (SELECT string_agg(DISTINCT t.name, ', ')
                                                   FROM herald.templates t) || '.', 'There is none at all yet.');
    END IF;
    rendered := herald.render(wanted, coalesce(data, '{}'));
    IF rendered.problem IS NOT NULL THEN
        RAISE EXCEPTION '%', rendered.problem
            USING HINT = format('Its fields: %s.', array_to_string(wanted.fields, ', '));
    END IF;
    RETURN rendered.body;
END
$$;
