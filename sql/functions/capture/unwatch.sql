-- herald.unwatch(tab, rule): takes a watch's triggers and functions out, also where the table was renamed. Needs the caller's
-- own right to drop them.
CREATE OR REPLACE FUNCTION herald.unwatch(tab regclass, rule text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '900ms'
AS $$
DECLARE
    watch_id int;
    installed record;
BEGIN
    LOCK TABLE herald.code IN SHARE ROW EXCLUSIVE MODE;  -- first, as pgherald migrate does
    DELETE FROM herald.watches w
     WHERE (to_regclass(w.tab) = unwatch.tab
            OR EXISTS (SELECT FROM pg_trigger t
                       WHERE t.tgrelid = unwatch.tab AND t.tgname = format('herald_capture_%s_insert', w.id)))
       AND w.rule = unwatch.rule RETURNING w.id INTO watch_id;
    IF watch_id IS NULL THEN
        RAISE EXCEPTION 'table % is not watched for rule "%"', unwatch.tab, unwatch.rule
            USING HINT = 'SELECT tab, rule FROM herald.watches lists the watches.';
    END IF;
    FOR installed IN SELECT t.tgname, t.tgrelid::regclass AS tab FROM pg_trigger t
                      WHERE t.tgname IN (format('herald_capture_%s_insert', watch_id),
                                         format('herald_capture_%s_update', watch_id)) LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', installed.tgname, installed.tab);
    END LOOP;
    EXECUTE format('DROP FUNCTION herald.%I(), herald.%I(), herald.%I()', format('capture_%s_insert', watch_id),
                   format('capture_%s_update', watch_id), format('capture_%s_row', watch_id));
EXCEPTION WHEN lock_not_available THEN
    RAISE EXCEPTION 'could not lock % within a second to drop its capture triggers: another session holds it', unwatch.tab
        USING HINT = 'Nothing was changed. Try again when the long transaction on it has ended (see pg_stat_activity).';
END
$$;
