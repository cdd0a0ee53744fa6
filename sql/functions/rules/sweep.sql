-- herald.sweep(rule): makes the rule's sweep, or (NULL) every rule's, due now. Returns how many.
CREATE OR REPLACE FUNCTION herald.sweep(rule text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    due bigint;
BEGIN
    IF rule IS NOT NULL THEN
        PERFORM herald.check_held('rule', rule);
    END IF;
    UPDATE herald.rules r SET next_sweep_at = clock_timestamp() WHERE sweep.rule IS NULL OR r.name = sweep.rule;
    GET DIAGNOSTICS due = ROW_COUNT;
    PERFORM herald.ring_bell();
    RETURN due;
END
$$;
