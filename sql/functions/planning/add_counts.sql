-- herald.add_counts(a, b): the sums of what two parts of a planner's task did. (In plpgsql, whose plan is kept; SQL's is made
-- at each call.)
CREATE OR REPLACE FUNCTION herald.add_counts(a herald.plan_counts, b herald.plan_counts) RETURNS herald.plan_counts
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
    RETURN ROW(a.found + b.found, a.new + b.new, a.known + b.known, a.suppressed + b.suppressed, a.failed + b.failed,
               a.set_aside + b.set_aside)::herald.plan_counts;
END
$$;
