-- Trigger on herald.senders: keeps herald.health to the enabled senders whose gateway can be asked, and what is known of a
-- sender to what may still be true of it: with another gateway it begins anew, and a hold ends as it can there; what is deleted
-- leaves nothing behind but the counts of its limits, which end by themselves. One that has messages keeps its name: it is in
-- each of them.
CREATE OR REPLACE FUNCTION herald.sender_changed() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    its herald.gateways;
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.name <> OLD.name THEN
        IF EXISTS (SELECT FROM herald.lanes l WHERE l.sender = OLD.name)
           OR EXISTS (SELECT FROM public.whatsapp_notifications n WHERE n.sender = OLD.name) THEN
            RAISE EXCEPTION 'sender "%" can''t be renamed: it has messages', OLD.name
                USING HINT = format('Add a sender "%s", have rules and recipients name that one, and disable "%s" once '
                                    'nothing waits for it.', NEW.name, OLD.name);
        END IF;
        UPDATE herald.holds h SET name = NEW.name WHERE h.kind = 'sender' AND h.name = OLD.name;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM herald.health h WHERE h.sender = OLD.name;
    END IF;
    IF TG_OP = 'DELETE' THEN
        DELETE FROM herald.sender_state s WHERE s.sender = OLD.name;
        DELETE FROM herald.acknowledgements a WHERE a.sender = OLD.name;
        DELETE FROM herald.holds h WHERE h.kind = 'sender' AND h.name = OLD.name;
        RETURN NULL;
    END IF;
    SELECT g.* INTO its FROM herald.gateways g WHERE g.name = NEW.gateway;
    IF TG_OP = 'UPDATE' AND NEW.gateway <> OLD.gateway THEN
        DELETE FROM herald.sender_state s WHERE s.sender = NEW.name;
        DELETE FROM herald.acknowledgements a WHERE a.sender = NEW.name;
        UPDATE herald.holds h SET proof = CASE WHEN its.tells_health THEN 'health, then message' ELSE 'message' END
         WHERE h.kind = 'sender' AND h.name = NEW.name AND h.cause = 'blocked';
        DELETE FROM herald.holds h WHERE h.kind = 'sender' AND h.name = NEW.name AND h.cause = 'unpaired' AND its.pairs IS NOT TRUE;
    END IF;
    IF NEW.enabled AND its.tells_health THEN
        INSERT INTO herald.health (sender, ask_at)
        SELECT NEW.name, least(herald.next_health_at(), min(h.until))
          FROM herald.holds h WHERE h.kind = 'sender' AND h.name = NEW.name AND h.cause = 'blocked';
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER sender_changed AFTER INSERT OR DELETE OR UPDATE OF name, gateway, enabled ON herald.senders
    FOR EACH ROW EXECUTE FUNCTION herald.sender_changed();
