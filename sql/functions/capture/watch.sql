-- herald.watch(tab, rule, key, columns): captures changes of a table for a rule: each INSERT, and each UPDATE (where columns
-- are given, only one that changed one of them), appends the row's key to herald.events.
--
-- SECURITY INVOKER: it needs the caller's own right to add triggers to the table, and membership in herald_owner. It takes the
-- table's lock only where a trigger is missing, and waits for it no longer than a second. Partitions that exist are
-- watched too; call it again after adding one. may_ring says whether a change may NOTIFY although max_prepared_transactions > 0.
-- It ends by making a sweep due, for what was there before.
CREATE OR REPLACE FUNCTION herald.watch(
    tab regclass,
    rule text,
    key name DEFAULT 'id',
    columns text[] DEFAULT NULL,
    may_ring boolean DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    relation pg_class;
    unknown text;
    watch_id int;
    part regclass;
BEGIN
    LOCK TABLE herald.code IN SHARE ROW EXCLUSIVE MODE;  -- first, as pgherald migrate does
    SELECT * INTO STRICT relation FROM pg_class c WHERE c.oid = watch.tab;
    IF relation.relkind NOT IN ('r', 'p') THEN
        RAISE EXCEPTION '% is no table: changes of a % can''t be captured', watch.tab,
                CASE relation.relkind WHEN 'v' THEN 'view' WHEN 'f' THEN 'foreign table' WHEN 'm' THEN 'materialized view'
                                      ELSE 'relation of kind ' || relation.relkind::text END
            USING HINT = 'The rule''s sweep finds what is due there: give the rule a short "every", or watch the tables behind it.';
    END IF;
    IF NOT EXISTS (SELECT FROM herald.rules r WHERE r.name = watch.rule) THEN
        RAISE EXCEPTION 'there is no rule "%"', watch.rule USING HINT = 'Make it first, with herald.add_rule().';
    END IF;
    SELECT c INTO unknown FROM unnest(watch.columns || watch.key::text) c
     WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = watch.tab AND a.attname = c AND a.attnum > 0
                       AND NOT a.attisdropped)
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'table % has no column "%"', watch.tab, unknown
            USING HINT = 'herald.watch(table, rule, key, columns): key names the column whose value is captured, columns '
                         'those whose change counts.';
    END IF;
    IF NOT EXISTS (SELECT FROM herald.rules r, pg_attribute a
                    WHERE r.name = watch.rule AND a.attrelid = r.source::regclass AND a.attname = 'key' AND a.attnum > 0) THEN
        RAISE EXCEPTION 'the source of rule "%" has no column "key"', watch.rule
            USING HINT = format('Add %I AS key to it, and call herald.add_rule() again: the planner looks changed rows up by it.',
                                watch.key);
    END IF;

    INSERT INTO herald.watches AS w (tab, rule, key, columns, may_ring)
    VALUES (format('%I.%I', relation.relnamespace::regnamespace::name, relation.relname), watch.rule, watch.key, watch.columns,
            watch.may_ring)
    ON CONFLICT (tab, rule) DO UPDATE SET key = EXCLUDED.key, columns = EXCLUDED.columns, may_ring = EXCLUDED.may_ring
    RETURNING w.id INTO watch_id;
    PERFORM herald.generate_capture(watch_id);

    -- A statement fires the triggers of the table that it names, be that the root, a leaf or what is between them. Foreign
    -- tables can't have these triggers; what comes to one through its root is captured there.
    FOR part IN SELECT watch.tab UNION SELECT p.relid FROM pg_partition_tree(watch.tab) p JOIN pg_class c ON c.oid = p.relid
                                        WHERE c.relkind <> 'f' LOOP
        PERFORM herald.add_capture(part, watch_id);
    END LOOP;
    UPDATE herald.rules r SET next_sweep_at = clock_timestamp() WHERE r.name = watch.rule;
    PERFORM herald.ring_bell();
END
$$;
