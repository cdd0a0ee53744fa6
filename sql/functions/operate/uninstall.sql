-- herald.uninstall(history): takes herald out of this database: capture triggers and schema, and with history also the table
-- whatsapp_notifications; the application's tables stay as they were. Yields a line a thing removed. SECURITY INVOKER: it needs
-- the right to drop the triggers. Roles belong to the whole cluster and stay.
CREATE OR REPLACE FUNCTION herald.uninstall(history boolean DEFAULT false) RETURNS SETOF text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '900ms'
AS $$
DECLARE
    installed record;
BEGIN
    FOR installed IN SELECT t.tgname, t.tgrelid::regclass AS tab FROM pg_trigger t
                       JOIN pg_proc p ON p.oid = t.tgfoid
                      WHERE p.pronamespace = 'herald'::regnamespace AND t.tgname LIKE 'herald\_capture\_%' LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', installed.tgname, installed.tab);
        RETURN NEXT format('trigger %s on %s', installed.tgname, installed.tab);
    END LOOP;
    SET LOCAL client_min_messages = warning;
    DROP SCHEMA herald CASCADE;
    RETURN NEXT 'schema herald';
    IF history THEN
        DROP TABLE public.whatsapp_notifications;
        RETURN NEXT 'table public.whatsapp_notifications';
    ELSE
        -- It must not depend on what goes, and belongs to whoever takes herald out.
        ALTER TABLE public.whatsapp_notifications OWNER TO CURRENT_USER;
        RETURN NEXT 'kept: table public.whatsapp_notifications (--history drops it too)';
    END IF;
EXCEPTION WHEN lock_not_available THEN
    RAISE EXCEPTION 'could not lock a watched table within a second: another session holds it'
        USING HINT = 'Nothing was changed. Try again when the long transaction on it has ended (see pg_stat_activity).';
END
$$;
