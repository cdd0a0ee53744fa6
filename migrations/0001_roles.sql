-- The roles, the schema and the record of what has been applied.
--
-- Roles belong to the whole cluster: those that another database's herald made are shared. None of them can log in; grant
-- herald_daemon, herald_operator or herald_reader to the login roles of your choice.
DO $roles$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['herald_owner', 'herald_rules', 'herald_capture', 'herald_daemon',
                                     'herald_web', 'herald_operator', 'herald_reader'] LOOP
        IF EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = role_name) THEN
            CONTINUE;
        END IF;
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN
                NULL;  -- made by another database's migration in this moment
            WHEN insufficient_privilege THEN
                RAISE EXCEPTION 'role % does not exist, and % may not create it', role_name, current_user
                    USING HINT = format('Migrate once as a role with CREATEROLE, or have an administrator run: CREATE ROLE %I '
                                        'NOLOGIN', role_name);
        END;
    END LOOP;

    -- Objects belong to these three; who migrates must be able to act as them.
    FOREACH role_name IN ARRAY ARRAY['herald_owner', 'herald_rules', 'herald_capture'] LOOP
        IF NOT pg_catalog.pg_has_role(current_user, role_name, 'MEMBER') THEN
            BEGIN
                EXECUTE format('GRANT %I TO CURRENT_USER', role_name);
            EXCEPTION WHEN insufficient_privilege THEN
                RAISE EXCEPTION '% is not a member of %', current_user, role_name
                    USING HINT = format('Have the role that migrated the first database, or an administrator, run: GRANT '
                                        'herald_owner, herald_rules, herald_capture TO %I', current_user);
            END;
        END IF;
    END LOOP;
END
$roles$;

DO $schema$
BEGIN
    CREATE SCHEMA herald AUTHORIZATION herald_owner;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE EXCEPTION '% may not create a schema in database %', current_user, current_database()
        USING HINT = format('Have its owner run: GRANT CREATE ON DATABASE %I TO %I', current_database(), current_user);
END
$schema$;

SET LOCAL ROLE herald_owner;

COMMENT ON SCHEMA herald IS 'pgherald: watches this database and tells people on WhatsApp';

CREATE TABLE herald.migrations (
    version int PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE herald.migrations IS 'The migrations that this database has, each with the SHA-256 of its file';

CREATE TABLE herald.code (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE herald.code IS 'The SHA-256 of the functions, views and grants that this database has';

RESET ROLE;

-- Only its layout has changed since it was first applied: databases may have it as
-- formerly bc22c5f41619896c941c8d38d15f25d2b3db18c7966663055c78b3439ac49a9c
