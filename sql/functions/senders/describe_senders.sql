-- herald.describe_senders(names): a row 'sender' for each, as herald.turn() yields it.
CREATE OR REPLACE FUNCTION herald.describe_senders(names text[]) RETURNS SETOF herald.turn_row
LANGUAGE sql STABLE
AS $$
    SELECT 'sender', NULL::bigint, NULL::bigint, s.name, s.base_url, s.gateway, s.credential, s.account::text
      FROM herald.senders s WHERE s.name = ANY (names);
$$;
