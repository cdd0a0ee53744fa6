-- herald.generate_source(rule): (re)makes four functions that read the rule's source as herald_rules, so that their plans are kept:
-- herald.source_ID() yields all its rows as herald.due, herald.source_ID(keys) an array of those of the given keys, in their order,
-- herald.still_ID(dedup_keys) those of the given dedup_keys that it holds, and herald.keys_ID() all its keys, NULL where it has
-- none.
--
-- A function that a view calls runs as herald_rules, which owns this one and so could make it SECURITY INVOKER, to be run as
-- herald_owner the next time. So it looks whom it runs as before it touches the source.
-- No jit: what is evaluated every minute, on estimates that are always wrong, would mostly be compiled, and seldom run.
-- Optional columns are found by name; the key filter casts the keys to the column's type, so that it reaches an index: and does so
-- although the statistics of a young table say that reading it all costs nothing.
-- pgherald's own views (herald.fallback_due) are read as their owner, so that nothing of herald need be granted to herald_rules.
CREATE OR REPLACE FUNCTION herald.generate_source(rule_name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    rule herald.rules;
    source regclass;
    columns text;
    key_type text;
    function_name text;
    still_name text;
    keys_name text;
    guarded text;
    reader text;
BEGIN
    SELECT * INTO STRICT rule FROM herald.rules r WHERE r.name = rule_name;
    source := rule.source::regclass;
    reader := CASE WHEN (SELECT c.relnamespace = 'herald'::regnamespace FROM pg_class c WHERE c.oid = source) THEN 'herald_owner'
                   ELSE 'herald_rules' END;
    function_name := format('herald.%I', 'source_' || rule.id);
    still_name := format('herald.%I', 'still_' || rule.id);
    keys_name := format('herald.%I', 'keys_' || rule.id);

    SELECT string_agg(CASE WHEN s.attname IS NULL
                           THEN format('NULL::%s', d.type)
                           ELSE format('s.%I::%s', d.attname, d.type) END, ', ' ORDER BY d.attnum)
      INTO columns
      FROM (SELECT a.attname, a.attnum, format_type(a.atttypid, a.atttypmod) AS type
              FROM pg_attribute a WHERE a.attrelid = 'herald.due'::regclass AND a.attnum > 0) d
      LEFT JOIN pg_attribute s
             ON s.attrelid = source AND s.attname = d.attname AND s.attnum > 0 AND NOT s.attisdropped;
    SELECT format_type(a.atttypid, a.atttypmod) INTO key_type
      FROM pg_attribute a WHERE a.attrelid = source AND a.attname = 'key' AND a.attnum > 0 AND NOT a.attisdropped;

    guarded := $g$
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        SET jit = off SET plan_cache_mode = auto SET enable_seqscan = %s SET enable_bitmapscan = on
        AS $source$
        #variable_conflict use_column
        <<ours>> %s BEGIN
            IF current_user <> %L THEN
                RAISE EXCEPTION 'this function must be SECURITY DEFINER: somebody has altered it' USING ERRCODE = '42501';
            END IF;
            %s;
        END
        $source$ $g$;
    EXECUTE format('CREATE OR REPLACE FUNCTION %s() RETURNS SETOF herald.due', function_name)
        || format(guarded, 'on', '', reader, format('RETURN QUERY SELECT %s FROM %s s', columns, rule.source));
    EXECUTE format('CREATE OR REPLACE FUNCTION %s(text[]) RETURNS herald.due[]', function_name)
        || format(guarded, 'off', $d$DECLARE places jsonb;$d$, reader, CASE WHEN key_type IS NULL
                  THEN format($e$RAISE EXCEPTION 'source %%', %L
                              USING HINT = 'It has no column "key"; keys can''t be looked up in it.'$e$, rule.source)
                  ELSE format('IF cardinality($1) > 1 THEN'
                              '    places := (SELECT jsonb_object_agg(k, place) FROM unnest($1) WITH ORDINALITY u (k, place));'
                              'END IF;'
                              'RETURN ARRAY(SELECT ROW(%s)::herald.due FROM %s s WHERE s.key = ANY ($1::%s[])'
                              ' ORDER BY (ours.places ->> s.key::text)::int)', columns, rule.source, key_type) END);
    EXECUTE format('CREATE OR REPLACE FUNCTION %s(text[]) RETURNS text[]', still_name)
        || format(guarded, 'on', '', reader,
                  format('RETURN ARRAY(SELECT s.dedup_key::text FROM %s s WHERE s.dedup_key = ANY ($1))', rule.source));
    EXECUTE format('CREATE OR REPLACE FUNCTION %s() RETURNS text[]', keys_name)
        || format(guarded, 'on', '', reader, CASE WHEN key_type IS NULL THEN 'RETURN NULL'
                  ELSE format('RETURN ARRAY(SELECT DISTINCT s.key::text FROM %s s)', rule.source) END);
    PERFORM herald.give_function(still_name || '(text[])', reader);
    PERFORM herald.give_function(keys_name || '()', reader);
    PERFORM herald.give_function(function_name || '()', reader);
    PERFORM herald.give_function(function_name || '(text[])', reader);
END
$$;
