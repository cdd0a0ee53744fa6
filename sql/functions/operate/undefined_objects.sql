-- herald.undefined_objects(definitions): what herald.drop_undefined() is to drop, as DROP has it ("ROUTINE herald.name(integer)").
-- mentioned_by: a function that this transaction did not write and whose body has the name; NULL: none. Of users' functions the
-- bare word is enough, in any case: with a search_path they may write it so. In generated ones it is "herald.name", and a name that
-- a function of ours still bears counts for that one. Of a function that was given further arguments with defaults none counts:
-- beside the new one it would make every call ambiguous, and the new one takes those calls.
CREATE OR REPLACE FUNCTION herald.undefined_objects(definitions text) RETURNS TABLE (object text, oid oid,
    mentioned_by regprocedure)
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
    WITH ours AS (
        SELECT p.oid, p.proname AS name, age(p.xmin) <= age(pg_current_xact_id()::xid) AS is_written
          FROM pg_proc p
         WHERE p.pronamespace = 'herald'::regnamespace AND p.proowner = 'herald_owner'::regrole
    ), undefined AS (
        SELECT 'ROUTINE ' || o.oid::regprocedure AS object, o.oid, o.name
          FROM ours o WHERE NOT o.is_written
         UNION ALL
        SELECT 'VIEW ' || c.oid::regclass, c.oid, c.relname
          FROM pg_class c
         WHERE c.relnamespace = 'herald'::regnamespace AND c.relowner = 'herald_owner'::regrole AND c.relkind = 'v'
           AND NOT EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid AND age(r.xmin) <= age(pg_current_xact_id()::xid))
         UNION ALL
        SELECT 'TYPE ' || t.oid::regtype, t.oid, t.typname
          FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
         WHERE t.typnamespace = 'herald'::regnamespace AND t.typowner = 'herald_owner'::regrole
           AND (t.typtype IN ('d', 'e', 'r') OR c.relkind = 'c')
           AND definitions !~ format('CREATE (TYPE|DOMAIN) herald\.%s\M', regexp_replace(t.typname, '(\W)', '\\\1', 'g'))
    ), named AS (
        SELECT u.object, u.oid, u.name, regexp_replace(u.name, '(\W)', '\\\1', 'g') AS pattern,
               u.name IN (SELECT o.name FROM ours o WHERE o.is_written) AS is_borne,
               EXISTS (SELECT FROM pg_proc old JOIN ours o ON o.name = old.proname AND o.is_written JOIN pg_proc p ON p.oid = o.oid
                        WHERE old.oid = u.oid AND p.pronargs > old.pronargs AND old.pronargdefaults > 0
                          AND p.pronargs - p.pronargdefaults <= old.pronargs - old.pronargdefaults
                          AND (string_to_array(p.proargtypes::text, ' '))[:old.pronargs] = string_to_array(old.proargtypes::text,
                              ' ')
                      ) AS is_succeeded
          FROM undefined u
    )
    SELECT n.object, n.oid, (SELECT p.oid::regprocedure
                        FROM pg_proc p
                       JOIN pg_language l ON l.oid = p.prolang AND l.lanname NOT IN ('c', 'internal')
                       WHERE NOT n.is_succeeded AND p.oid <> n.oid AND p.oid NOT IN (SELECT o.oid FROM ours o WHERE o.is_written)
                         AND CASE WHEN p.proowner IN ('herald_owner'::regrole, 'herald_rules'::regrole, 'herald_capture'::regrole)
                                  THEN NOT n.is_borne AND p.prosrc ~ format('\mherald\.%s\M', n.pattern)
                                  ELSE p.prosrc ~* format('(^|\W)%s(\W|$)', n.pattern) END
                       ORDER BY p.oid LIMIT 1)
      FROM named n;
$$;
