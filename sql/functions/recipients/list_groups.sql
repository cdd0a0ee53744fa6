-- herald.list_groups(sender, ids, names): the groups that the sender's account is in, as its gateway tells `pgherald groups`
-- (the arrays run in parallel), with the recipients that stand for each.
CREATE OR REPLACE FUNCTION herald.list_groups(sender_name text, ids text[], names text[])
RETURNS TABLE (id text, name text, recipient text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT g.id, g.name,
           (SELECT string_agg(r.name, ', ' ORDER BY r.name)
              FROM herald.recipients r JOIN herald.senders s ON s.name = sender_name AND s.channel = r.channel
             WHERE r.kind = 'group' AND r.address = g.id AND coalesce(r.sender, s.name) = s.name)
      FROM (SELECT DISTINCT ON (u.id) u.id, u.name FROM unnest(ids, names) u (id, name) ORDER BY u.id, u.name DESC) g
     ORDER BY lower(g.name), g.id;
$$;
