-- herald.end_leftovers(before): ends what a view's functions have left in an operator's session; before: what
-- herald.leftovers() told before they ran. (A planner's session is its own: see herald.plan().)
CREATE OR REPLACE FUNCTION herald.end_leftovers(before text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    left_over text;
BEGIN
    FOREACH left_over IN ARRAY ARRAY(SELECT unnest(herald.leftovers()) EXCEPT SELECT unnest(before)) LOOP
        EXECUTE left_over;
    END LOOP;
END
$$;
