-- herald.check_groups(sender, ids): recipients that stand for groups in which the sender's account is not, as its gateway tells
-- `pgherald check`, each with its remedy.
CREATE OR REPLACE FUNCTION herald.check_groups(sender_name text, ids text[])
RETURNS TABLE (subject text, problem text, remedy text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('recipient "%s"', r.name), format('the account of sender "%s" is not in its group %s', s.name, r.address),
           CASE WHEN r.sender IS NOT NULL
                THEN format('Add the account to the group, or correct the address: pgherald groups %s lists those that it is in.',
                            s.name)
                ELSE format('Say whose group it is: UPDATE herald.recipients SET sender = … WHERE name = %L AND channel = %L',
                            r.name, r.channel) END
      FROM herald.senders s JOIN herald.recipients r ON r.kind = 'group' AND r.channel = s.channel
          AND coalesce(r.sender, s.name) = s.name
     WHERE s.name = sender_name AND NOT r.address = ANY (ids)
     ORDER BY r.name;
$$;
