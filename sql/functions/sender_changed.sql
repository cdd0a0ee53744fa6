-- Trigger on herald.senders: keeps herald.health to the enabled senders whose gateway can be asked.
CREATE OR REPLACE FUNCTION herald.sender_changed() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM herald.health h WHERE h.sender = OLD.name;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.enabled AND EXISTS (SELECT FROM herald.gateways g WHERE g.name = NEW.gateway AND g.tells_health) THEN
        INSERT INTO herald.health (sender, ask_at) VALUES (NEW.name, herald.next_health_at());
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER sender_changed AFTER INSERT OR DELETE OR UPDATE OF name, gateway, enabled ON herald.senders
    FOR EACH ROW EXECUTE FUNCTION herald.sender_changed();
