-- Trigger on herald.templates: keeps fields and format of a body, so that planning only calls format(). {{field}} is a
-- field; every other brace stands for itself.
CREATE OR REPLACE FUNCTION herald.template_parse() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    field_pattern constant text := '\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}';
BEGIN
    NEW.fields := ARRAY(SELECT m[1] FROM regexp_matches(NEW.body, field_pattern, 'g') m);
    NEW.format := regexp_replace(replace(NEW.body, '%', '%%'), field_pattern, '%s', 'g');
    IF EXISTS (SELECT FROM unnest(NEW.parameters) p WHERE p IS NULL OR p !~ '^([A-Za-z0-9_]+=)?[A-Za-z_][A-Za-z0-9_]*$') THEN
        RAISE EXCEPTION 'template "%": a parameter must be a field, or parameter_name=field', NEW.name
            USING HINT = 'For example {student,class} or {customer_name=customer}.', ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER template_parse BEFORE INSERT OR UPDATE ON herald.templates
    FOR EACH ROW EXECUTE FUNCTION herald.template_parse();
