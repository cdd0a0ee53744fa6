-- herald.limit_room(sender, moment): how many messages the sender's rolling windows still allow; opens_at: where none, when the
-- fullest of them has room again.
CREATE OR REPLACE FUNCTION herald.limit_room(sender herald.senders, moment timestamptz, OUT free bigint, OUT opens_at timestamptz)
LANGUAGE sql
AS $$
    SELECT min(u.free), max(u.opens_at) FROM herald.limit_use(sender, moment) u;
$$;
