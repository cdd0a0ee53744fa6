-- herald.holds_lane(app_secrets, lane): whether a template's hold that is for the senders of these app secrets (NULL: for all)
-- holds a message of that lane: no enabled sender that may carry it has another.
CREATE OR REPLACE FUNCTION herald.holds_lane(app_secrets text[], lane_id int) RETURNS boolean
LANGUAGE sql STABLE
AS $$
    SELECT app_secrets IS NULL OR NOT EXISTS (
           SELECT FROM herald.lanes l JOIN herald.senders s ON s.channel = l.channel AND (l.sender IS NULL OR s.name = l.sender)
            WHERE l.id = lane_id AND s.enabled AND coalesce(s.account ->> 'app_secret', '') <> ALL (app_secrets));
$$;
