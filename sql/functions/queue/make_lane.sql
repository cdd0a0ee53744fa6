-- herald.make_lane(channel, sender, rule, priority): the lane's id; makes it where it does not exist. Waits for no other
-- transaction: of two that make it at the same time each has its own; from then on the first is taken.
--
-- Every claim looks into every lane. So whoever reckons priorities, say from the time, gets a hundred different ones for a rule
-- and a sender, and from then on the nearest of these.
CREATE OR REPLACE FUNCTION herald.make_lane(lane_channel text, lane_sender text, lane_rule text, lane_priority int) RETURNS int
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    most CONSTANT int := 100;
    lane_id int;
    distance bigint;
    others bigint;
BEGIN
    SELECT l.id, abs(l.priority::bigint - lane_priority), count(*) OVER () INTO lane_id, distance, others
      FROM herald.lanes l
     WHERE l.channel = lane_channel AND coalesce(l.sender, '') = coalesce(lane_sender, '')
       AND coalesce(l.rule, '') = coalesce(lane_rule, '')
     ORDER BY abs(l.priority::bigint - lane_priority), l.id LIMIT 1;
    IF distance > 0 AND others < most OR distance IS NULL THEN
        INSERT INTO herald.lanes (channel, sender, rule, priority) VALUES (lane_channel, lane_sender, lane_rule, lane_priority)
        RETURNING id INTO lane_id;
    END IF;
    RETURN lane_id;
END
$$;
