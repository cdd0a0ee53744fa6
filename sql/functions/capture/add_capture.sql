-- herald.add_capture(tab, watch_id): puts a watch's triggers on one table or partition, where they are missing.
--
-- A table that logical replication feeds gets row triggers that also fire there (ENABLE ALWAYS): statement triggers do not
-- fire for what a subscription applies.
CREATE OR REPLACE FUNCTION herald.add_capture(tab regclass, watch_id int) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '900ms'
AS $$
DECLARE
    is_subscribed boolean := EXISTS (SELECT FROM pg_subscription_rel s WHERE s.srrelid = add_capture.tab);
    operation text;
    trigger_name text;
BEGIN
    FOREACH operation IN ARRAY ARRAY['insert', 'update'] LOOP
        trigger_name := format('herald_capture_%s_%s', watch_id, operation);
        IF EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = add_capture.tab AND t.tgname = trigger_name) THEN
            CONTINUE;
        END IF;
        IF is_subscribed THEN
            EXECUTE format('CREATE TRIGGER %I AFTER %s ON %s FOR EACH ROW EXECUTE FUNCTION herald.%I()',
                           trigger_name, operation, tab, format('capture_%s_row', watch_id));
            EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', tab, trigger_name);
        ELSE
            EXECUTE format('CREATE TRIGGER %I AFTER %s ON %s REFERENCING NEW TABLE AS new_rows%s FOR EACH STATEMENT EXECUTE '
                           'FUNCTION herald.%I()',
                           trigger_name, operation, tab,
                           CASE operation WHEN 'update' THEN ' OLD TABLE AS old_rows' ELSE '' END,
                           format('capture_%s_%s', watch_id, operation));
        END IF;
    END LOOP;
EXCEPTION
    WHEN lock_not_available THEN
        RAISE EXCEPTION 'could not lock % within a second to add its capture triggers: another session holds it', tab
            USING HINT = 'Nothing was changed. Call herald.watch() again when the long transaction on it has ended '
                         '(see pg_stat_activity).';
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION '% may not add triggers to %', current_user, tab
            USING HINT = format('Call herald.watch() as its owner, or GRANT TRIGGER ON %s TO %I.', tab, current_user);
END
$$;
