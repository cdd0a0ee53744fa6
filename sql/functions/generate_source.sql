-- herald.generate_source(rule): (re)makes herald.source_ID(keys), which reads the rule's source as herald_rules: its rows as
-- herald.due, only those of the given keys, or all of them where keys is NULL. A function of its own, so that its plan is kept.
--
-- A function that a view calls runs as herald_rules, which owns this one and so could make it SECURITY INVOKER, to be run as
-- herald_owner the next time. So it looks whom it runs as before it touches the source.
-- Optional columns are found by name; the key filter casts the keys to the column's type, so that it reaches an index.
CREATE OR REPLACE FUNCTION herald.generate_source(rule_name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    rule herald.rules;
    source regclass;
    columns text;
    key_type text;
    signature text;
BEGIN
    SELECT * INTO STRICT rule FROM herald.rules r WHERE r.name = rule_name;
    source := rule.source::regclass;
    signature := format('herald.%I(text[])', 'source_' || rule.id);

    SELECT string_agg(CASE WHEN s.attname IS NULL THEN format('NULL::%s', d.type)
                           ELSE format('s.%I::%s', d.attname, d.type) END, ', ' ORDER BY d.attnum)
      INTO columns
      FROM (SELECT a.attname, a.attnum, format_type(a.atttypid, a.atttypmod) AS type
              FROM pg_attribute a WHERE a.attrelid = 'herald.due'::regclass AND a.attnum > 0) d
      LEFT JOIN pg_attribute s
             ON s.attrelid = source AND s.attname = d.attname AND s.attnum > 0 AND NOT s.attisdropped;
    SELECT format_type(a.atttypid, a.atttypmod) INTO key_type
      FROM pg_attribute a WHERE a.attrelid = source AND a.attname = 'key' AND a.attnum > 0 AND NOT a.attisdropped;

    EXECUTE format($f$
        CREATE OR REPLACE FUNCTION %s RETURNS SETOF herald.due
        LANGUAGE plpgsql SECURITY DEFINER ROWS 500 SET search_path = pg_catalog, pg_temp
        SET plan_cache_mode = auto SET enable_seqscan = on SET enable_bitmapscan = on
        AS $source$
        #variable_conflict use_column
        BEGIN
            IF current_user <> 'herald_rules' THEN
                RAISE EXCEPTION 'this function must be SECURITY DEFINER: somebody has altered it' USING ERRCODE = '42501';
            END IF;
            IF $1 IS NULL THEN
                RETURN QUERY SELECT %s FROM %s s;
            %s
            END IF;
        END
        $source$ $f$,
        signature, columns, rule.source,
        CASE WHEN key_type IS NULL
             THEN format($e$ELSE
                RAISE EXCEPTION 'source %%', %L USING HINT = 'It has no column "key"; keys can''t be looked up in it.';$e$, rule.source)
             ELSE format('ELSE
                RETURN QUERY SELECT %s FROM %s s WHERE s.key = ANY ($1::%s[]);', columns, rule.source, key_type) END);
    PERFORM herald.give_function(signature, 'herald_rules');
END
$$;
