-- herald.drop_rule(name): takes out a rule with its watches. Its history stays; what of it still waits is cancelled.
CREATE OR REPLACE FUNCTION herald.drop_rule(name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    orphan text;
    rule_id int := (SELECT r.id FROM herald.rules r WHERE r.name = drop_rule.name);
BEGIN
    LOCK TABLE herald.code IN SHARE ROW EXCLUSIVE MODE;  -- first, as pgherald migrate does
    IF rule_id IS NULL THEN
        RAISE EXCEPTION 'there is no rule "%"', drop_rule.name USING HINT = 'SELECT name FROM herald.rules lists them.';
    END IF;
    PERFORM herald.keep_planners_out(drop_rule.name);
    PERFORM herald.unwatch(w.tab::regclass, w.rule) FROM herald.watches w
      WHERE w.rule = drop_rule.name AND to_regclass(w.tab) IS NOT NULL;
    UPDATE public.whatsapp_notifications n
       SET send_status = 'cancelled', next_at = NULL, behind = false, error = 'its rule was dropped'
      FROM herald.lanes l
     WHERE l.rule = drop_rule.name AND n.lane = l.id AND n.next_at IS NOT NULL AND n.owner IS NULL;
    -- The triggers of a table that is gone went with it; the functions did not.
    FOR orphan IN SELECT format('herald.%I()', p.proname) FROM herald.watches w
                    JOIN pg_proc p ON p.pronamespace = 'herald'::regnamespace
                         AND p.proname IN (format('capture_%s_insert', w.id), format('capture_%s_update', w.id),
                                           format('capture_%s_row', w.id))
                   WHERE w.rule = drop_rule.name LOOP
        EXECUTE 'DROP FUNCTION ' || orphan;
    END LOOP;
    DELETE FROM herald.rules r WHERE r.name = drop_rule.name;
    DELETE FROM herald.events e WHERE e.rule = drop_rule.name;
    DELETE FROM herald.holds h WHERE h.kind = 'rule' AND h.name = drop_rule.name;
    DELETE FROM herald.rechecks c WHERE c.rule = drop_rule.name;
    EXECUTE format('DROP FUNCTION herald.%1$I(), herald.%1$I(text[]), herald.%2$I(text[]), herald.%3$I()', 'source_' || rule_id,
                   'still_' || rule_id, 'keys_' || rule_id);
END
$$;
