-- herald.plan(rule, kind, batch): one planner task: makes the notifications that a rule's captured events ask for (kind
-- 'events', at most batch of them), or those that its whole source asks for (kind 'sweep'). rule '': whichever has captured
-- events, may be planned now, is not being planned elsewhere, and is content with the session's statement_timeout; planned_rule
-- says which it was. The sweep of rule '' is a step of herald.retain().
--
-- result: 'done', 'busy' (the rule is being planned elsewhere), 'paused', 'failed' (then error says why, fit for a log, and
-- herald.rules.error in full; the rule tries again later) or 'flood' (it paused itself). more: further events were left.
-- n_found and so on as in herald.rules; n_set_aside: keys whose row could not be evaluated. The first sweep after
-- herald.resume() is not judged by the flood limit. At most one task a rule at a time, across all nodes (herald.planning). A
-- sweep that somebody asks for meanwhile (next_sweep_at is another one than when it began) stays due.
CREATE OR REPLACE FUNCTION herald.plan(
    rule_name text,
    kind text,
    batch int,
    OUT result text,
    OUT more boolean,
    OUT n_found bigint,
    OUT n_new bigint,
    OUT n_known bigint,
    OUT n_suppressed bigint,
    OUT n_failed bigint,
    OUT n_set_aside bigint,
    OUT took interval,
    OUT error text,
    OUT planned_rule text
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    rule herald.rules;
    started timestamptz := clock_timestamp();
    done herald.plan_counts := ROW(0, 0, 0, 0, 0, 0);
    planned record;
    is_paused boolean := false;
    is_busy boolean := false;
    is_approved boolean;
    why text;
BEGIN
    more := false;
    IF rule_name = '' AND kind = 'sweep' THEN
        result := CASE WHEN herald.retain() THEN 'busy' ELSE 'retained' END;  -- busy: again after a pause
        RETURN;
    END IF;
    IF rule_name = '' THEN
        SELECT r.* INTO rule FROM herald.tasks t JOIN herald.rules r ON r.name = t.rule JOIN herald.planning p ON p.rule = r.name
         WHERE t.kind = 'events' AND r.time_limit >= current_setting('statement_timeout')::interval LIMIT 1
           FOR NO KEY UPDATE OF p SKIP LOCKED;
        rule_name := rule.name;
    ELSE
        SELECT r.* INTO rule FROM herald.rules r WHERE r.name = rule_name;
        is_paused := EXISTS (SELECT FROM herald.holds h WHERE h.kind = 'rule' AND h.name = rule_name);
        PERFORM FROM herald.planning p WHERE p.rule = rule_name FOR NO KEY UPDATE SKIP LOCKED;
        is_busy := NOT FOUND;
    END IF;
    IF rule.name IS NULL THEN
        result := 'done';
        DELETE FROM herald.events e WHERE e.rule = rule_name;  -- of a rule that was dropped meanwhile
        RETURN;
    END IF;
    planned_rule := rule.name;
    IF is_busy THEN
        result := 'busy';
        RETURN;
    END IF;

    IF is_paused THEN
        -- Resuming it makes a sweep due, so what is captured meanwhile need not be kept.
        result := 'paused';
        DELETE FROM herald.events e WHERE e.rule = rule_name;
        UPDATE herald.rules r SET next_sweep_at = herald.next_sweep(r)
         WHERE r.name = rule_name AND r.next_sweep_at IS NOT DISTINCT FROM rule.next_sweep_at;
        RETURN;
    END IF;

    BEGIN
        IF kind = 'sweep' THEN
            PERFORM herald.pin_formats();
            DELETE FROM herald.counts c WHERE c.kind = 'resumed' AND c.name = rule_name;
            is_approved := FOUND;
            IF is_approved THEN
                rule.flood_limit := 2147483647;
            END IF;
            done := herald.plan_sweep(rule);
            IF is_approved THEN
                DELETE FROM herald.counts c WHERE c.kind = 'made' AND c.name = rule_name;
            END IF;
        ELSE
            planned := herald.plan_events(rule, batch);
            done := planned.done;
            more := planned.more;
        END IF;
        result := 'done';
    EXCEPTION
        WHEN SQLSTATE 'HR001' THEN
            result := 'flood';
            more := false;
            error := SQLERRM;
        WHEN OTHERS THEN
            result := 'failed';
            more := false;
            why := SQLERRM || ' (SQLSTATE ' || SQLSTATE || ')';
            error := CASE WHEN herald.error_is_of_row(SQLSTATE)
                          THEN format('PostgreSQL refused one of its rows (SQLSTATE %s); pgherald check says why', SQLSTATE)
                          ELSE why END;
    END;
    -- Of all that a view's functions may do, these alone outlive its evaluation.
    PERFORM pg_advisory_unlock_all();
    IF EXISTS (SELECT FROM pg_prepared_statements) THEN
        DEALLOCATE ALL;
    END IF;

    n_found := done.found;
    n_new := done.new;
    n_known := done.known;
    n_suppressed := done.suppressed;
    n_failed := done.failed;
    n_set_aside := done.set_aside;
    took := clock_timestamp() - started;
    IF result = 'flood' THEN
        PERFORM herald.pause_flood(rule, error);
    ELSIF result = 'failed' THEN
        PERFORM herald.plan_failed(rule_name, kind, why);
    ELSIF kind = 'sweep' THEN
        UPDATE herald.rules r
           SET next_sweep_at = CASE WHEN r.next_sweep_at IS NOT DISTINCT FROM rule.next_sweep_at THEN herald.next_sweep(r)
                                    ELSE r.next_sweep_at END,
               swept_at = started, found = n_found, new = n_new, known = n_known,
               suppressed = n_suppressed, failed = n_failed, took = plan.took,
               error = NULL, error_at = NULL, failures = 0, retry_at = NULL
         WHERE r.name = rule_name;
    ELSIF rule.error NOT LIKE 'sweep: %' THEN
        UPDATE herald.rules r SET error = NULL, error_at = NULL, failures = 0, retry_at = NULL WHERE r.name = rule_name;
    END IF;
END
$$;
