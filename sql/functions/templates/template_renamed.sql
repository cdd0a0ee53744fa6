-- Trigger on herald.templates: what waits follows a template to its new name, and so does what holds it.
CREATE OR REPLACE FUNCTION herald.template_renamed() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO herald.holds (kind, name, cause, until, reason, who, since, failures)
    SELECT h.kind, NEW.name, h.cause, h.until, h.reason, h.who, h.since, h.failures FROM herald.holds h
        WHERE h.kind = 'template' AND h.name = OLD.name
    ON CONFLICT DO NOTHING;
    DELETE FROM herald.holds h
     WHERE h.kind = 'template' AND h.name = OLD.name AND NOT EXISTS (SELECT FROM herald.templates t WHERE t.name = OLD.name);
    UPDATE public.whatsapp_notifications n SET template = NEW.name
     WHERE n.id IN (SELECT w.id FROM public.whatsapp_notifications w
                    WHERE w.next_at IS NOT NULL AND w.owner IS NULL AND NOT w.behind
                    UNION ALL SELECT w.id FROM public.whatsapp_notifications w WHERE w.behind)
       AND n.template = OLD.name AND coalesce(n.locale, '') = OLD.locale;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER template_renamed AFTER UPDATE OF name ON herald.templates
    FOR EACH ROW WHEN (OLD.name <> NEW.name) EXECUTE FUNCTION herald.template_renamed();
