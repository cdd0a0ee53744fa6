-- Statement trigger on each configuration table: whatever it says may make something due.
CREATE OR REPLACE FUNCTION herald.configuration_changed() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM herald.ring_bell();
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER configuration_changed AFTER INSERT OR UPDATE OR DELETE ON herald.settings
    FOR EACH STATEMENT EXECUTE FUNCTION herald.configuration_changed();
CREATE OR REPLACE TRIGGER configuration_changed AFTER INSERT OR UPDATE OR DELETE ON herald.channels
    FOR EACH STATEMENT EXECUTE FUNCTION herald.configuration_changed();
CREATE OR REPLACE TRIGGER configuration_changed AFTER INSERT OR UPDATE OR DELETE ON herald.senders
    FOR EACH STATEMENT EXECUTE FUNCTION herald.configuration_changed();
CREATE OR REPLACE TRIGGER configuration_changed AFTER INSERT OR UPDATE OR DELETE ON herald.recipients
    FOR EACH STATEMENT EXECUTE FUNCTION herald.configuration_changed();
CREATE OR REPLACE TRIGGER configuration_changed AFTER INSERT OR UPDATE OR DELETE ON herald.templates
    FOR EACH STATEMENT EXECUTE FUNCTION herald.configuration_changed();
-- Not for what sweeps write about themselves.
CREATE OR REPLACE TRIGGER configuration_changed AFTER INSERT OR DELETE OR UPDATE OF source, template, every, "offset", timezone,
        channel, sender, priority, default_recipient, locale, max_attempts, in_doubt, in_doubt_grace, recheck, flood_limit,
        max_age, time_limit, urgent ON herald.rules
    FOR EACH STATEMENT EXECUTE FUNCTION herald.configuration_changed();
