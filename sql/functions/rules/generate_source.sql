-- herald.generate_source(rule): (re)makes four functions that read the rule's source as herald_rules, so that their plans are kept:
-- herald.source_ID() yields all its rows as herald.due, herald.source_ID(keys) an array of those of the given keys, in their order,
-- herald.still_ID(dedup_keys) those of the given dedup_keys that it holds, and herald.keys_ID() all its keys, NULL where it has
-- none.
--
-- Optional columns are found by name. Of a name, which has 256 bytes at most, no more is taken than shows that it has more: what
-- can't be sent is in the history all the same. The key filter casts the keys to the column's type, so that it reaches an index.
-- pgherald's own views (herald.fallback_due) are read as their owner, so that nothing of herald need be granted to herald_rules.
-- Of a source that is not there (any more) the functions say so.
CREATE OR REPLACE FUNCTION herald.generate_source(rule_name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    rule herald.rules;
    source regclass;
    columns text;
    key_type text;
    key_text CONSTANT text := herald.key_text('s', 'key');
    reader text;
    missing text;
BEGIN
    SELECT * INTO STRICT rule FROM herald.rules r WHERE r.name = rule_name;
    source := to_regclass(rule.source);
    reader := CASE WHEN (SELECT c.relnamespace = 'herald'::regnamespace FROM pg_class c WHERE c.oid = source)
                   THEN 'herald_owner' ELSE 'herald_rules' END;
    missing := CASE WHEN source IS NULL
                    THEN format('RAISE EXCEPTION %L USING HINT = %L', format('the source %s is not there', rule.source),
                                'Make it again, and call herald.add_rule() again.') END;

    SELECT string_agg(CASE WHEN s.attname IS NULL THEN format('NULL::%s', d.type)
                           WHEN d.attname IN ('recipient', 'template', 'channel', 'sender', 'locale')
                           THEN format('pg_catalog.left(s.%I::text, 300)', d.attname)
                           ELSE format('s.%I::%s', d.attname, d.type) END, ', ' ORDER BY d.attnum)
      INTO columns
      FROM (SELECT a.attname, a.attnum, format_type(a.atttypid, a.atttypmod) AS type
              FROM pg_attribute a WHERE a.attrelid = 'herald.due'::regclass AND a.attnum > 0) d
      LEFT JOIN pg_attribute s
             ON s.attrelid = source AND s.attname = d.attname AND s.attnum > 0 AND NOT s.attisdropped;
    SELECT format_type(a.atttypid, a.atttypmod) INTO key_type
      FROM pg_attribute a WHERE a.attrelid = source AND a.attname = 'key' AND a.attnum > 0 AND NOT a.attisdropped;

    PERFORM herald.generate_reader('source_' || rule.id, '', 'SETOF herald.due',
        coalesce(missing, format('RETURN QUERY SELECT %s FROM %s s', columns, rule.source)), reader);
    PERFORM herald.generate_reader('source_' || rule.id, 'text[]', 'herald.due[]', is_keyed => true, reader => reader,
        evaluation => coalesce(missing, CASE WHEN key_type IS NULL
            THEN format('RAISE EXCEPTION %L USING HINT = %L', format('source %s', rule.source),
                        'It has no column "key"; keys can''t be looked up in it.')
            ELSE format('<<keyed>> DECLARE places pg_catalog.jsonb; BEGIN IF cardinality($1) > 1 THEN'
                        ' places := (SELECT jsonb_object_agg(k, place) FROM unnest($1) WITH ORDINALITY u (k, place)); END IF;'
                        ' ours.result := ARRAY(SELECT ROW(%s)::herald.due FROM %s s WHERE s.key = ANY ($1::%s[])'
                        ' ORDER BY (keyed.places ->> %s)::int); END', columns, rule.source, key_type, key_text) END));
    PERFORM herald.generate_reader('still_' || rule.id, 'text[]', 'pg_catalog.text[]', reader => reader,
        evaluation => coalesce(missing, format(
            'ours.result := ARRAY(SELECT s.dedup_key::text FROM %s s WHERE s.dedup_key = ANY ($1))', rule.source)));
    PERFORM herald.generate_reader('keys_' || rule.id, '', 'pg_catalog.text[]', reader => reader,
        evaluation => coalesce(missing, CASE WHEN key_type IS NULL THEN 'ours.result := NULL'
            ELSE format('ours.result := ARRAY(SELECT DISTINCT %s FROM %s s)', key_text, rule.source) END));
END
$$;
