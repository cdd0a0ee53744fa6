-- herald.note_hold(id, scope, cause, name, until, why, failures): what an answer to this message says of more than it: that its
-- recipient has opted out (cause 'opt-out'), or that its template or recipient waits until then.
--
-- It is not noted where somebody is changing the same hold and does not commit, a webhook's session perhaps: the next answer says
-- it once more, while a wait would keep all outcomes from being recorded.
CREATE OR REPLACE FUNCTION herald.note_hold(
    the_id bigint,
    scope text,
    cause text,
    name text,
    until timestamptz,
    why text,
    failures int
) RETURNS void
LANGUAGE plpgsql
SET lock_timeout = '20 ms'
AS $$
#variable_conflict use_variable
BEGIN
    IF cause = 'opt-out' THEN
        PERFORM herald.take_refusals(ARRAY[the_id], ARRAY[why]);
        RETURN;
    END IF;
    -- A template that the gateway has told us it does not send waits until it tells otherwise: until is NULL.
    INSERT INTO herald.holds AS h (kind, name, cause, until, reason, who, failures)
    VALUES (scope, name, cause, until, why, 'pgherald', failures)
    ON CONFLICT ON CONSTRAINT holds_pkey DO UPDATE
       SET until = EXCLUDED.until, reason = EXCLUDED.reason, failures = EXCLUDED.failures
     WHERE h.until IS NOT NULL;
EXCEPTION WHEN lock_not_available THEN
    RETURN;
END
$$;
