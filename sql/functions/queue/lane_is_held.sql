-- herald.lane_is_held(lane): whether nothing of the lane goes because somebody, or a failure, holds it: all, its rule, its
-- channel, its sender, or each sender that may carry it. A lane that no enabled sender may carry is not held: nobody knows of
-- it.
CREATE OR REPLACE FUNCTION herald.lane_is_held(lane herald.lanes) RETURNS boolean
LANGUAGE sql STABLE
AS $$
    SELECT EXISTS (SELECT FROM herald.holds h
                    WHERE h.cause <> 'opt-out' AND h.kind IN ('all', 'rule', 'channel') AND h.name IN ('', lane.rule, lane.channel)
                      AND (h.kind = 'all' OR h.kind = 'rule' AND h.name = lane.rule
                           OR h.kind = 'channel' AND h.name = lane.channel))
        OR (SELECT bool_and(EXISTS (SELECT FROM herald.holds h
                                    WHERE h.cause <> 'opt-out' AND h.kind = 'sender' AND h.name = s.name OFFSET 0))
              FROM herald.senders s
             WHERE s.enabled AND s.channel = lane.channel AND (lane.sender IS NULL OR s.name = lane.sender));
$$;
