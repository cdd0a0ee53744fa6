-- herald.generate_capture(watch_id): (re)makes the capture functions of a watch: static SQL, owned by herald_capture, which may
-- add events and no more. What they do, in order:
--   1. append the changed rows' keys; where the statement changed more than 10,000 rows, one request for a sweep instead;
--   2. look for a daemon that sleeps, or one that has not been seen within the hour: where there is neither, as on a busy day, that
--      was all. The look is a statement of its own, after the event is written: a daemon that goes to sleep relies on it (see
--      src/README.md, "The bell"). A REPEATABLE READ writer may look at an old snapshot, so it always rings;
--   3. where no daemon attends this database, put a request for a sweep in the place of the keys;
--   4. ring, if a daemon sleeps.
-- They meet no unique constraint, wait for no other transaction and evaluate no rule.
CREATE OR REPLACE FUNCTION herald.generate_capture(watch_id int) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    watched herald.watches;
    look text;
    insert_source text;
    update_source text;
    changed_condition text;
BEGIN
    SELECT * INTO STRICT watched FROM herald.watches w WHERE w.id = watch_id;
    look := format($l$
            PERFORM FROM herald.listeners l WHERE l.asleep_until > clock_timestamp() OR l.attended_until < clock_timestamp();
            IF FOUND OR current_setting('transaction_isolation') <> 'read committed' THEN
                IF NOT EXISTS (SELECT FROM herald.listeners l WHERE l.attended_until > clock_timestamp()) THEN
                    PERFORM herald.capture_as_sweep(%L, false);
                END IF;
                IF current_setting('transaction_isolation') <> 'read committed'
                   OR EXISTS (SELECT FROM herald.listeners l WHERE l.asleep_until > clock_timestamp()) THEN
                    PERFORM herald.ring_bell(%L::boolean);
                END IF;
            END IF;$l$, watched.rule, coalesce(watched.may_ring, false));
    insert_source := format('SELECT %s AS key FROM new_rows n', herald.key_text('n', watched.key));
    IF watched.columns IS NULL THEN
        update_source := insert_source;
        changed_condition := 'true';
    ELSE
        SELECT format('SELECT c.key FROM (SELECT %s AS key, ROW(%s)::text FROM new_rows n EXCEPT ALL '
                      'SELECT %s, ROW(%s)::text FROM old_rows o) c',
                      herald.key_text('n', watched.key), string_agg(format('n.%I', c), ', '),
                      herald.key_text('o', watched.key), string_agg(format('o.%I', c), ', ')),
               format('TG_OP = ''INSERT'' OR ROW(%s)::text IS DISTINCT FROM ROW(%s)::text',
                      string_agg(format('NEW.%I', c), ', '), string_agg(format('OLD.%I', c), ', '))
          INTO update_source, changed_condition
          FROM unnest(watched.columns) c;
    END IF;
    PERFORM herald.generate_capture_function(format('capture_%s_insert', watch_id), watched.rule, insert_source, look);
    PERFORM herald.generate_capture_function(format('capture_%s_update', watch_id), watched.rule, update_source, look);
    PERFORM herald.generate_capture_row_function(format('capture_%s_row', watch_id), watched.rule,
                                                 watched.key, changed_condition, look);
END
$$;
