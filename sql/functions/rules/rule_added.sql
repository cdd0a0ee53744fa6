-- Trigger on herald.rules: what is locked while the rule is planned.
CREATE OR REPLACE FUNCTION herald.rule_added() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO herald.planning (rule) VALUES (NEW.name);
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER rule_added AFTER INSERT ON herald.rules FOR EACH ROW EXECUTE FUNCTION herald.rule_added();
