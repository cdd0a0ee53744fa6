-- Trigger on the history: whoever deletes rows of it deletes what is known of their attempts.
CREATE OR REPLACE FUNCTION herald.history_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM herald.attempts;
    ELSE
        DELETE FROM herald.attempts a USING gone g WHERE a.notification_id = g.id;
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER herald_history_deleted AFTER DELETE ON public.whatsapp_notifications
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION herald.history_deleted();
CREATE OR REPLACE TRIGGER herald_history_truncated AFTER TRUNCATE ON public.whatsapp_notifications
    FOR EACH STATEMENT EXECUTE FUNCTION herald.history_deleted();
