-- herald.give_function(signature, role): makes role the owner of a function in schema herald, which only herald_owner and its
-- members may then execute (or put into a trigger). The right to create there,
-- which PostgreSQL asks of a new owner, is lent for this moment only.
CREATE OR REPLACE FUNCTION herald.give_function(signature text, new_owner text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF (SELECT pg_get_userbyid(p.proowner) FROM pg_proc p WHERE p.oid = signature::regprocedure) = new_owner THEN
        RETURN;
    END IF;
    LOCK TABLE herald.code IN SHARE ROW EXCLUSIVE MODE;  -- one at a time; an advisory lock could be taken by anybody
    EXECUTE format('GRANT CREATE ON SCHEMA herald TO %I', new_owner);
    EXECUTE format('ALTER FUNCTION %s OWNER TO %I', signature, new_owner);
    EXECUTE format('REVOKE CREATE ON SCHEMA herald FROM %I', new_owner);
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', signature);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO herald_owner', signature);
END
$$;
