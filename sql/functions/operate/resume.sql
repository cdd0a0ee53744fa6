-- herald.resume(kind, name, discard): takes every hold off it, whatever its cause (but a person's opt-out: see herald.opt_in()).
-- A rule is swept at once: what is due is sent.
-- discard, for a rule: what its source holds now is recorded as suppressed, and what of it waits is cancelled; it begins with the
-- future, after what is being planned at this moment. Returns a sentence that says what happened.
CREATE OR REPLACE FUNCTION herald.resume(kind text, name text DEFAULT '', discard boolean DEFAULT false) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    subject text := resume.kind || CASE WHEN coalesce(resume.name, '') = '' THEN '' ELSE format(' "%s"', resume.name) END;
    lifted text;
    discarded bigint;
BEGIN
    -- What is held can be let go, whether or not it is still there.
    IF NOT EXISTS (SELECT FROM herald.holds h WHERE h.kind = resume.kind AND h.name = coalesce(resume.name, '')) THEN
        PERFORM herald.check_held(resume.kind, coalesce(resume.name, ''));
    END IF;
    IF discard AND resume.kind <> 'rule' THEN
        RAISE EXCEPTION 'only a rule can be resumed with discard' USING HINT = 'Cancel waiting messages with herald.cancel(id).';
    END IF;
    PERFORM herald.keep_planners_out(resume.name) WHERE discard;
    WITH gone AS (
        DELETE FROM herald.holds h WHERE h.kind = resume.kind AND h.name = coalesce(resume.name, '') AND h.cause <> 'opt-out'
        RETURNING h.cause
    )
    SELECT string_agg(g.cause, ', ') INTO lifted FROM gone g;
    IF discard THEN
        discarded := herald.discard(resume.name);
    END IF;
    IF resume.kind = 'rule' THEN
        UPDATE herald.rules r SET next_sweep_at = clock_timestamp(), retry_at = NULL WHERE r.name = resume.name;
        -- What is due is approved, however much it is: the next sweep is not judged by the flood limit. See herald.plan().
        DELETE FROM herald.counts c WHERE c.kind = 'made' AND c.name = resume.name;
        DELETE FROM herald.events e WHERE e.rule = resume.name;
        INSERT INTO herald.counts (kind, name, span_sec, bucket, n) VALUES ('resumed', resume.name, 1, 9223372036854775807, 1)
        ON CONFLICT DO NOTHING;
    ELSIF resume.kind IN ('recipient', 'template') THEN
        PERFORM herald.ask_to_wake(ARRAY[resume.name]);
    END IF;
    PERFORM herald.ring_bell();
    RETURN subject || CASE WHEN lifted IS NULL THEN ' was not held' ELSE format(' is resumed (was held: %s)', lifted) END
        || CASE WHEN discard THEN format('; %s discarded', discarded)
                WHEN resume.kind = 'rule' THEN '; what is due is being sent' ELSE '' END;
END
$$;
