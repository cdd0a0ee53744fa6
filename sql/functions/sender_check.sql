-- Trigger on herald.senders: refuses limits that can't be understood, at once and by name.
CREATE OR REPLACE FUNCTION herald.sender_check() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM herald.parse_limit(l) FROM unnest(NEW.limits) l;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER sender_check BEFORE INSERT OR UPDATE ON herald.senders
    FOR EACH ROW EXECUTE FUNCTION herald.sender_check();
