-- herald.plan_and_claim(incarnation, joins, room, batch): what a ring asks for, in one round trip: plans whichever rule has
-- captured events (at most batch of them, as herald.plan('')), and, where that made messages, claims up to room due ones for
-- this daemon. The look that follows finds whatever else there is.
--
-- It is not the daemon's own connection that calls it, so the daemon may have joined anew meanwhile, and given back what it
-- did not know of: joins is what herald.join() told, and under another nothing is claimed.
--
-- Yields a row 'planned' (id: keys set aside, attempt_id: after how many microseconds it came to claim, sender: the rule,
-- target: the result, body: the error), then those of herald.claim().
CREATE OR REPLACE FUNCTION herald.plan_and_claim(incarnation bigint, joins int, room int, batch int) RETURNS SETOF herald.turn_row
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_material = off
AS $$
#variable_conflict use_variable
DECLARE
    planned record;
    claims boolean;
BEGIN
    planned := herald.plan('', 'events', batch);
    claims := planned.n_new > 0 AND room > 0;
    IF claims THEN
        PERFORM set_config('synchronous_commit', 'on', true);  -- what is claimed must be so before its request leaves
        LOCK TABLE herald.claim_lock IN EXCLUSIVE MODE;
    END IF;
    RETURN NEXT ROW('planned', planned.n_set_aside,
                    (extract(epoch FROM clock_timestamp() - statement_timestamp()) * 1000000)::bigint,
                    planned.planned_rule, planned.result, NULL, planned.error, NULL)::herald.turn_row;
    IF claims THEN
        RETURN QUERY SELECT c.* FROM herald.claim(incarnation, room, joins) c;
    END IF;
END
$$;
