-- herald.drop_undefined(definitions): drops the functions, views and types of schema herald that belong to herald_owner and that no
-- file defines any more. `pgherald migrate` calls it in the transaction that has just written all functions and views: what it
-- did not write is what has no file. definitions: the texts of all migrations; a type that one of them makes stays.
--
-- Nothing goes that something else stands on, whether PostgreSQL knows of it (a view) or not (the body of a function, also of
-- one that a watch or a rule generated). Two of them whose bodies name each other stay. Yields a row an object: kept_for is NULL
-- where it was dropped, else the reason.
CREATE OR REPLACE FUNCTION herald.drop_undefined(definitions text) RETURNS TABLE (object text, kept_for text)
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
    IF (SELECT p.xmin <> pg_current_xact_id()::xid FROM pg_proc p
         WHERE p.oid = 'herald.drop_undefined(text)'::regprocedure) THEN
        RAISE EXCEPTION 'herald.drop_undefined() is a part of pgherald migrate: by itself it would take everything for undefined';
    END IF;
    -- One may stand on another, so all that are left are tried again until none gives way.
    WHILE is_progress LOOP
        is_progress := false;
        kept := '{}';
        reasons := '{}';
        FOR undefined IN SELECT u.object, u.mentioned_by FROM herald.undefined_objects(definitions) u ORDER BY u.object LOOP
            object := undefined.object;
            kept_for := 'its name is in the body of function ' || undefined.mentioned_by;
            IF kept_for IS NULL THEN
                BEGIN
                    EXECUTE 'DROP ' || object;
                    is_progress := true;
                    RETURN NEXT;
                EXCEPTION WHEN dependent_objects_still_exist THEN
                    GET STACKED DIAGNOSTICS kept_for = PG_EXCEPTION_DETAIL;
                    kept_for := coalesce(nullif(kept_for, ''), SQLERRM);  -- of an extension's there is no detail
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
