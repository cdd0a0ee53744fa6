-- herald.keep_early(…): keeps the receipts of messages whose answer is not recorded yet: their row is in flight with the attempt
-- that the receipt echoes; or, where a gateway echoes nothing, no row has the message, and one of that account is in flight, so
-- that it may be that one's; or the row that has the message is in flight once more, and what becomes of that tells what to
-- make of it. Returns how many are new. See herald.receive() for the arrays; found_ids as from herald.receipt_rows().
CREATE OR REPLACE FUNCTION herald.keep_early(
    found_ids bigint[],
    gateways text[],
    accounts text[],
    message_ids text[],
    ids bigint[],
    attempt_ids bigint[],
    statuses text[],
    moments timestamptz[],
    errors text[]
) RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
    kept bigint;
BEGIN
    INSERT INTO herald.receipts_early (message_id, status, notification_id, attempt_id, gateway, account, at, error)
    SELECT u.message_id, u.status, coalesce(u.id, u.found_id), u.attempt_id, u.gateway, u.account, u.at, u.error
      FROM unnest(found_ids, gateways, accounts, message_ids, ids, attempt_ids, statuses, moments, errors)
           AS u (found_id, gateway, account, message_id, id, attempt_id, status, at, error)
     WHERE CASE WHEN u.found_id > 0
                THEN (SELECT coalesce(n.attempt_id = u.attempt_id, u.status <> 'failed') AND n.send_status = 'sending'
                      FROM public.whatsapp_notifications n WHERE n.id = u.found_id)
                WHEN u.found_id IS NULL AND u.id IS NULL AND u.message_id NOT LIKE 'wamid.%'
                THEN EXISTS (SELECT FROM public.whatsapp_notifications n
                              WHERE n.owner IS NOT NULL AND herald.is_account(n.sender, u.gateway, u.account))
           END
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS kept = ROW_COUNT;
    RETURN kept;
END
$$;
