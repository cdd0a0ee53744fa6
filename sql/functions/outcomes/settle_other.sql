-- herald.settle_other(…): records one attempt that was not accepted. See herald.settle() for the arguments.
--
-- Only a wait of scope message spends the attempt; the others give it back, and hold their scope instead. One of a scope that
-- the row has not, as of a template where it is a text, is its own.
CREATE OR REPLACE FUNCTION herald.settle_other(
    the_id bigint,
    the_attempt_id bigint,
    outcome text,
    scope text,
    wait_sec int,
    code int,
    reply_body text,
    why text
) RETURNS TABLE (what text, sender text, reason text)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    moment timestamptz := clock_timestamp();
    n public.whatsapp_notifications;
    rule herald.rules;
    again timestamptz := moment + make_interval(secs => greatest(wait_sec, 0));
    failures int := 1;
    held_until timestamptz;
BEGIN
    SELECT w.* INTO n FROM public.whatsapp_notifications w WHERE w.id = the_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN;  -- deleted meanwhile
    END IF;
    IF outcome = 'rejected' AND scope = 'recipient' THEN
        PERFORM herald.note_hold(the_id, scope, 'opt-out', NULL, NULL, why, 1);
    END IF;
    IF n.attempt_id IS DISTINCT FROM the_attempt_id OR n.owner IS NULL THEN
        PERFORM herald.settle_late(the_id, the_attempt_id, outcome, code, NULL, reply_body, why);
        RETURN;
    END IF;
    scope := CASE WHEN CASE scope WHEN 'template' THEN n.template WHEN 'recipient' THEN n.target ELSE '' END IS NOT NULL
                  THEN scope
                  ELSE 'message' END;
    SELECT r.* INTO rule FROM herald.rules r WHERE r.name = n.rule;
    INSERT INTO herald.attempts (attempt_id, notification_id, sender, outcome, scope, response_code, response_body, error,
                                 incarnation)
    VALUES (the_attempt_id, the_id, n.sender, outcome, CASE outcome WHEN 'wait' THEN scope END, code, reply_body, why, n.owner)
    ON CONFLICT DO NOTHING;

    n.response_code := code;
    n.response_body := reply_body;
    n.error := why;
    n.owner := NULL;
    n.next_at := NULL;
    IF outcome = 'rejected' AND scope = 'recipient' THEN
        n.send_status := 'suppressed';
        n.error := 'opted out: ' || why;
    ELSIF outcome = 'rejected' THEN
        n.send_status := 'failed';
    ELSIF outcome = 'in_doubt' THEN
        n.send_status := 'in_doubt';
        n.next_at := moment + coalesce(rule.in_doubt_grace, '10 s');
    ELSIF scope = 'message' AND n.attempts >= coalesce(rule.max_attempts, 3) THEN
        n.send_status := 'failed';
        n.error := format('given up after %s attempts: %s', n.attempts, why);
    ELSIF scope = 'message' THEN
        n.send_status := 'pending';
        n.next_at := greatest(again, moment + herald.backoff(n.attempts));
    ELSE
        n.send_status := 'pending';
        n.attempts := n.attempts - 1;
        IF scope = 'recipient' THEN
            -- 4, 16, 64 s is what WhatsApp asks for where a pair of numbers exchanges too much.
            SELECT h.failures + 1 INTO failures FROM herald.holds h
             WHERE h.kind = scope AND h.name = n.target AND h.cause = 'pair limit' AND h.until > moment - interval '5 min';
            failures := coalesce(failures, 1);
            again := greatest(again, moment + make_interval(secs => 4 ^ least(failures, 3)));
        ELSIF scope = 'template' THEN
            again := greatest(again, moment + herald.backoff(1));
        ELSE
            SELECT h.until INTO held_until FROM herald.holds h
             WHERE h.kind = 'sender' AND h.cause = 'blocked' AND h.name = n.sender;
            again := CASE
                -- It had worked. Perhaps its gateway can't bear this one message, which must not be the first each time that it
                -- is opened.
                WHEN held_until IS NULL AND code BETWEEN 400 AND 499 AND code NOT IN (401, 407, 408, 429)
                THEN moment + herald.backoff((SELECT count(*)::int FROM herald.attempts a
                                               WHERE a.notification_id = the_id AND a.outcome = 'wait'
                                                 AND a.scope = settle_other.scope))
                WHEN held_until <= moment THEN moment  -- a probe: the next one is another
                ELSE herald.not_below_floor(n.lane, n.created_at) END;
        END IF;
        n.next_at := again;
    END IF;
    UPDATE public.whatsapp_notifications w
       SET send_status = n.send_status, attempts = n.attempts, next_at = n.next_at, owner = NULL,
           response_code = n.response_code, response_body = n.response_body, error = n.error
     WHERE w.id = the_id;
    IF n.send_status IN ('failed', 'suppressed') THEN
        -- Without its text a picture says nothing; without one of the pictures the others do.
        PERFORM herald.cancel_parts(the_id) WHERE n.next_part IS NOT NULL AND n.part_of IS NULL;
        PERFORM herald.send_parts(ARRAY[n.next_part], ARRAY[n.sender]) WHERE n.next_part IS NOT NULL AND n.part_of IS NOT NULL;
        PERFORM herald.fall_back(ARRAY[the_id]);
    END IF;

    -- A gateway that leaves one message after the other in doubt works no better than one that fails them; and a probe that
    -- ended so is no reason to put the next message in doubt at once.
    IF outcome = 'wait' AND scope = 'message' OR outcome = 'in_doubt' THEN
        INSERT INTO herald.sender_state AS s (sender, failures) SELECT r.name, 1 FROM herald.senders r WHERE r.name = n.sender
        ON CONFLICT (sender) DO UPDATE SET failures = s.failures + 1
        RETURNING s.failures INTO failures;
        IF failures >= herald.setting('failures_in_a_row')::int
           OR outcome = 'in_doubt' AND scope = 'sender'
           OR outcome = 'in_doubt' AND EXISTS (SELECT FROM herald.holds h
                                               WHERE h.kind = 'sender' AND h.cause = 'blocked' AND h.name = n.sender) THEN
            RETURN QUERY SELECT h.* FROM herald.hold_sender(n.sender, NULL,
                CASE WHEN failures < herald.setting('failures_in_a_row')::int THEN why
                     ELSE format('%s failures in a row, the last: %s', failures, why) END, 'message') h;
        END IF;
    ELSIF outcome = 'wait' AND scope = 'sender' THEN
        RETURN QUERY SELECT h.* FROM herald.hold_sender(n.sender, nullif(wait_sec, -1), why, 'message') h;
    ELSIF outcome = 'wait' THEN
        PERFORM herald.note_hold(the_id, scope, CASE scope WHEN 'template' THEN 'template' ELSE 'pair limit' END,
                                 CASE scope WHEN 'template' THEN n.template ELSE n.target END, n.next_at, why, failures);
    ELSIF outcome = 'rejected' THEN
        -- A gateway that refuses a message works.
        UPDATE herald.sender_state s SET trusted = s.trusted + 1 WHERE s.sender = n.sender AND s.trusted IS NOT NULL;
        RETURN QUERY SELECT o.* FROM herald.open_senders(ARRAY[n.sender]) o;
    END IF;
END
$$;
