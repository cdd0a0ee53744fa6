-- herald.was_account(id, sender, gateway, account): whether the sender of this row, or of one of its earlier attempts, is that
-- account. See herald.is_account().
CREATE OR REPLACE FUNCTION herald.was_account(row_id bigint, sender_name text, gateway_name text, account_id text) RETURNS boolean
LANGUAGE sql STABLE
AS $$
    SELECT herald.is_account(sender_name, gateway_name, account_id)
        OR EXISTS (SELECT FROM herald.attempts a WHERE a.notification_id = row_id AND a.sender <> sender_name
                      AND herald.is_account(a.sender, gateway_name, account_id));
$$;
