-- herald.source_problem(source): why a relation can't be a rule's source, with the remedy; NULL where it can.
CREATE OR REPLACE FUNCTION herald.source_problem(source regclass, OUT problem text, OUT remedy text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    needed record;
    found_type regtype;
    column_names text;
    texts constant text := '{text,varchar,bpchar,name}';
    times constant text := '{timestamptz,timestamp,date}';
BEGIN
    SELECT string_agg(a.attname, ', ' ORDER BY a.attnum) INTO column_names
      FROM pg_attribute a WHERE a.attrelid = source AND a.attnum > 0 AND NOT a.attisdropped;
    FOR needed IN SELECT v.name, v.types::regtype[] AS types, v.cast_to, v.required
                    FROM (VALUES ('dedup_key', texts, 'text', true), ('recipient', texts, 'text', true),
                                 ('data', '{jsonb}', 'jsonb', true), ('template', texts, 'text', false),
                                 ('channel', texts, 'text', false), ('sender', texts, 'text', false),
                                 ('locale', texts, 'text', false), ('body', texts, 'text', false),
                                 ('priority', '{int4,int2,int8,numeric}', 'integer', false),
                                 ('not_before', times, 'timestamptz', false), ('expires_at', times, 'timestamptz', false),
                                 ('media', '{jsonb,json}', 'jsonb', false)) v (name, types, cast_to, required) LOOP
        found_type := (SELECT a.atttypid FROM pg_attribute a
                        WHERE a.attrelid = source AND a.attname = needed.name AND a.attnum > 0 AND NOT a.attisdropped);
        IF found_type IS NULL AND NOT needed.required THEN
            CONTINUE;
        ELSIF found_type IS NULL THEN
            problem := format('%s has no column "%s" (it has: %s)', source, needed.name, column_names);
            remedy := 'A source needs dedup_key text, recipient text and data jsonb; name the columns with AS.';
            RETURN;
        ELSIF NOT found_type = ANY (needed.types) THEN
            problem := format('column "%s" of %s is of type %s', needed.name, source, found_type);
            remedy := format('Make it %s: (…)::%s AS %s.', needed.cast_to, needed.cast_to, needed.name);
            RETURN;
        END IF;
    END LOOP;
    IF (SELECT c.relnamespace = 'herald'::regnamespace FROM pg_class c WHERE c.oid = source) THEN
        RETURN;  -- pgherald's own: see herald.generate_source()
    END IF;
    IF NOT has_schema_privilege('herald_rules', (SELECT c.relnamespace FROM pg_class c WHERE c.oid = source), 'USAGE') THEN
        problem := format('herald_rules, which evaluates rules, may not use the schema of %s', source);
        remedy := format('GRANT USAGE ON SCHEMA %I TO herald_rules;',
                         (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = source));
    ELSIF NOT has_table_privilege('herald_rules', source, 'SELECT') THEN
        problem := format('herald_rules, which evaluates rules, may not read %s', source);
        remedy := format('GRANT SELECT ON %s TO herald_rules;', source);
    END IF;
END
$$;
