-- herald.not_below_floor(lane, at): the time to put a row of that lane back to, so that the next look meets it: at, or the
-- lane's floor. Nothing of the lane waits with an earlier time than its floor, so the row keeps its place. Until the
-- transaction ends, the floor stays.
CREATE OR REPLACE FUNCTION herald.not_below_floor(lane_id int, at timestamptz) RETURNS timestamptz
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    lane_floor timestamptz;
BEGIN
    SELECT l.floor INTO lane_floor FROM herald.lanes l WHERE l.id = lane_id FOR SHARE;
    RETURN greatest(at, lane_floor);
END
$$;
