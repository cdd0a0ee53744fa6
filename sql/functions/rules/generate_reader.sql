-- herald.generate_reader(name, arguments, returns, evaluation, reader, is_keyed): (re)makes one of the functions that read a
-- rule's source, which run as reader. evaluation: statements that yield rows (RETURN QUERY) or set ours.result.
--
-- What the source's SQL does is undone before this function ends: it is evaluated in a block that always fails, and rows and
-- variables survive that, while settings (an ordinary SET overrides those of all functions that are running, and outlives
-- them), altered functions, temporary objects, writes, notifications and locks do not. An error of the source's is passed on,
-- as much of it as a person reads, but for the class HR, which is ours.
--
-- No jit: what is evaluated every minute, on estimates that are always wrong, would mostly be compiled, and seldom run.
-- is_keyed: rows are looked up by an index although the statistics of a young table say that reading it all costs nothing.
CREATE OR REPLACE FUNCTION herald.generate_reader(function_name text, arguments text, returns text, evaluation text, reader text,
                                                  is_keyed boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    is_set CONSTANT boolean := starts_with(returns, 'SETOF ');
    body CONSTANT text := format($f$
        #variable_conflict use_column
        <<ours>>
        DECLARE
            is_whole boolean := false;
            hint pg_catalog.text;
            state pg_catalog.text;
            %1$s
        BEGIN
            %2$s
            BEGIN
                %3$s;
                ours.is_whole := true;
                RAISE EXCEPTION USING ERRCODE = 'HR004';
            EXCEPTION WHEN OTHERS OR query_canceled OR assert_failure THEN
                IF NOT ours.is_whole THEN
                    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
                    state := CASE WHEN pg_catalog.starts_with(SQLSTATE, 'HR') THEN 'P0001' ELSE SQLSTATE END;
                    IF ours.hint OPERATOR(pg_catalog.=) '' THEN
                        RAISE EXCEPTION USING MESSAGE = pg_catalog.left(SQLERRM, 2000), ERRCODE = ours.state;
                    END IF;
                    RAISE EXCEPTION USING MESSAGE = pg_catalog.left(SQLERRM, 2000), HINT = pg_catalog.left(ours.hint, 2000),
                        ERRCODE = ours.state;
                END IF;
            END;
            RETURN%4$s;
        END$f$, CASE WHEN NOT is_set THEN format('result %s;', returns) END,
                herald.guard(reader, 'RAISE EXCEPTION ''this function must be SECURITY DEFINER: somebody has altered it'' '
                                     'USING ERRCODE = ''42501'', HINT = ''pgherald migrate makes it anew.'''),
                evaluation, CASE WHEN NOT is_set THEN ' ours.result' END);
BEGIN
    PERFORM herald.make_function(format('%I(%s)', function_name, arguments), returns,
                                 ARRAY['jit=off', 'plan_cache_mode=auto', 'enable_bitmapscan=on',
                                       'enable_seqscan=' || CASE WHEN is_keyed THEN 'off' ELSE 'on' END], body, reader);
END
$$;
