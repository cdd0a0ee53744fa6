-- herald.end_leftovers(before): ends what a view's functions have left in an operator's session; before: what herald.leftovers()
-- told before they ran. (A planner's session is its own: see herald.plan().) A lock that was taken often is to be ended as often.
CREATE OR REPLACE FUNCTION herald.end_leftovers(before text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    left_over text[];
    statement text;
BEGIN
    FOR round IN 1 .. 1000 LOOP
        left_over := ARRAY(SELECT unnest(herald.leftovers()) EXCEPT SELECT unnest(before));
        EXIT WHEN left_over = '{}';
        FOREACH statement IN ARRAY left_over LOOP
            EXECUTE statement;
        END LOOP;
    END LOOP;
END
$$;
