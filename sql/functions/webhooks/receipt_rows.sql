-- herald.receipt_rows(…): of each receipt the id of its row, or NULL: no row of that account, now or at an earlier attempt, has
-- this message. See herald.receive().
CREATE OR REPLACE FUNCTION herald.receipt_rows(gateways text[], accounts text[], message_ids text[], ids bigint[]) RETURNS bigint[]
LANGUAGE sql STABLE
AS $$
    SELECT array_agg(coalesce(echoed.id, named.id) ORDER BY u.place)
      FROM unnest(gateways, accounts, message_ids, ids) WITH ORDINALITY u (gateway, account, message_id, id, place)
      LEFT JOIN LATERAL (SELECT n.id FROM public.whatsapp_notifications n
                          WHERE n.id = u.id AND herald.was_account(n.id, n.sender, u.gateway, u.account) OFFSET 0) echoed ON true
      LEFT JOIN LATERAL (SELECT n.id FROM public.whatsapp_notifications n
                          WHERE u.id IS NULL AND n.message_id = u.message_id AND n.message_id NOT LIKE 'wamid.%'
                            AND herald.was_account(n.id, n.sender, u.gateway, u.account)
                          ORDER BY n.id DESC LIMIT 1) named ON true;
$$;
