-- Trigger on herald.senders: refuses limits that can't be understood, at once and by name; and what is not said about limits, gap
-- and max_in_flight is what herald.gateways holds to be safe, so that the row says what goes. It follows the gateway when that
-- changes.
CREATE OR REPLACE FUNCTION herald.sender_check() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    safe herald.gateways;
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.gateway <> OLD.gateway AND EXISTS (
       SELECT FROM herald.gateways g WHERE g.name = OLD.gateway
          AND (g.limits, g.gap, g.max_in_flight) IS NOT DISTINCT FROM (NEW.limits, NEW.gap, NEW.max_in_flight)) THEN
        NEW.limits := NULL;
        NEW.gap := NULL;
        NEW.max_in_flight := NULL;
    END IF;
    SELECT g.* INTO safe FROM herald.gateways g WHERE g.name = NEW.gateway;
    NEW.limits := coalesce(NEW.limits, safe.limits, '{}');
    NEW.gap := coalesce(NEW.gap, safe.gap, '0');
    NEW.max_in_flight := coalesce(NEW.max_in_flight, safe.max_in_flight);
    PERFORM herald.parse_limit(l) FROM unnest(NEW.limits) l;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER sender_check BEFORE INSERT OR UPDATE ON herald.senders
    FOR EACH ROW EXECUTE FUNCTION herald.sender_check();
