-- herald.ring_bell(): wakes every daemon when the transaction commits, unless that could fail the transaction: a NOTIFY makes
-- PREPARE TRANSACTION an error, and fails the commit when the notification queue is full. The daemons then look every second.
CREATE OR REPLACE FUNCTION herald.ring_bell(even_if_prepared boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF (even_if_prepared OR current_setting('max_prepared_transactions') = '0') AND pg_notification_queue_usage() < 0.5 THEN
        NOTIFY herald;
    END IF;
END
$$;
