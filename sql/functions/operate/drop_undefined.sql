-- herald.drop_undefined(definitions, functions): drops the functions, views and types of schema herald that belong to
-- herald_owner and that no file defines any more. `pgherald migrate` calls it in the transaction that has just written all
-- functions and views: what it did not write is what has no file. definitions: the texts of all migrations; a type that one of
-- them makes stays. functions: how many there are files for: where fewer were written, something else is at work here, and
-- nothing is dropped.
--
-- Nothing goes that something else stands on, whether PostgreSQL knows of it (a view) or not (the body of a function, also of
-- one that a watch or a rule generated). Two of them whose bodies name each other stay. Yields a row an object: kept_for is NULL
-- where it was dropped, else the reason.
CREATE OR REPLACE FUNCTION herald.drop_undefined(definitions text, functions int) RETURNS TABLE (object text, kept_for text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    undefined record;
    is_progress boolean := true;
    kept text[];
    reasons text[];
BEGIN
    IF (SELECT count(*) FROM pg_proc p
         WHERE p.pronamespace = 'herald'::regnamespace AND p.proowner = 'herald_owner'::regrole
           AND age(p.xmin) <= age(pg_current_xact_id()::xid)) < functions THEN
        RAISE EXCEPTION 'not all functions of schema herald have just been written, so what is undefined is not known'
            USING HINT = 'herald.drop_undefined() is a part of pgherald migrate.';
    END IF;
    -- One may stand on another, so all that are left are tried again until none gives way.
    WHILE is_progress LOOP
        is_progress := false;
        kept := '{}';
        reasons := '{}';
        FOR undefined IN SELECT u.object, u.oid, u.mentioned_by FROM herald.undefined_objects(definitions) u ORDER BY u.object LOOP
            object := undefined.object;
            kept_for := 'its name is in the body of function ' || undefined.mentioned_by;
            IF kept_for IS NULL THEN
                BEGIN
                    PERFORM herald.pass_on_grants(undefined.oid);
                    EXECUTE 'DROP ' || object;
                    is_progress := true;
                    RETURN NEXT;
                EXCEPTION
                    WHEN lock_not_available OR deadlock_detected THEN
                        RAISE;
                    WHEN OTHERS THEN  -- something stands on it, or an event trigger wants it to stay
                        GET STACKED DIAGNOSTICS kept_for = PG_EXCEPTION_DETAIL;
                        kept_for := coalesce(nullif(kept_for, ''), SQLERRM);
                END;
            END IF;
            IF kept_for IS NOT NULL THEN
                kept := kept || object;
                reasons := reasons || split_part(kept_for, E'\n', 1);
            END IF;
        END LOOP;
    END LOOP;
    RETURN QUERY SELECT * FROM unnest(kept, reasons);
END
$$;
