-- herald.make_lane(channel, sender, rule, priority): the lane's id; makes it where it does not exist. Waits for no other
-- transaction: of two that make it at the same time each has its own; from then on the first is taken.
CREATE OR REPLACE FUNCTION herald.make_lane(lane_channel text, lane_sender text, lane_rule text, lane_priority int) RETURNS int
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    lane_id int;
BEGIN
    SELECT l.id INTO lane_id FROM herald.lanes l
     WHERE l.channel = lane_channel AND coalesce(l.sender, '') = coalesce(lane_sender, '')
       AND coalesce(l.rule, '') = coalesce(lane_rule, '') AND l.priority = lane_priority
     ORDER BY l.id LIMIT 1;
    IF NOT FOUND THEN
        INSERT INTO herald.lanes (channel, sender, rule, priority) VALUES (lane_channel, lane_sender, lane_rule, lane_priority)
        RETURNING id INTO lane_id;
    END IF;
    RETURN lane_id;
END
$$;
