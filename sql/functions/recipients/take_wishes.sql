-- herald.take_wishes(addresses, wishes, moments, reasons, who): what people wish, in parallel arrays: 'stop' makes an opt-out
-- of the address, with the reason, 'resume' takes it back. Of each address the last counts, of two at the same time 'stop',
-- however late and often the others come: herald.heard remembers when it was said, for longer than gateways repeat their
-- webhooks. An opt-out is held since it was first asked for. Returns how many opt-outs were new, and how many were taken back.
CREATE OR REPLACE FUNCTION herald.take_wishes(
    addresses text[],
    wishes text[],
    moments timestamptz[],
    reasons text[],
    who text,
    OUT opted_out bigint,
    OUT opted_in bigint
)
LANGUAGE plpgsql
AS $$
DECLARE
    stopped text[];
    stopped_at timestamptz[];
    why text[];
    resumed text[];
BEGIN
    WITH last AS (
        SELECT DISTINCT ON (u.name) u.name, u.wish, u.at, u.reason
          FROM unnest(addresses, wishes, moments, reasons) u (name, wish, at, reason)
         ORDER BY u.name, u.at DESC, u.wish DESC
    ), taken AS (
        INSERT INTO herald.heard AS h (kind, name, said, at) SELECT 'recipient', l.name, l.wish, l.at FROM last l ORDER BY l.name
        ON CONFLICT (kind, name, language) DO UPDATE SET said = EXCLUDED.said, at = EXCLUDED.at
         WHERE (EXCLUDED.at, EXCLUDED.said) > (h.at, h.said)
        RETURNING h.name
    )
    SELECT array_agg(l.name) FILTER (WHERE l.wish = 'stop'), array_agg(l.at) FILTER (WHERE l.wish = 'stop'),
           array_agg(l.reason) FILTER (WHERE l.wish = 'stop'), array_agg(l.name) FILTER (WHERE l.wish = 'resume')
      INTO stopped, stopped_at, why, resumed
      FROM last l JOIN taken t ON t.name = l.name;

    -- In statements of their own: they see what whoever held the rows of herald.heard before us has done.
    INSERT INTO herald.holds (kind, name, cause, reason, who, since)
    SELECT 'recipient', u.name, 'opt-out', u.reason, take_wishes.who, u.at
      FROM unnest(stopped, stopped_at, why) u (name, at, reason) ORDER BY u.name
    ON CONFLICT (kind, name, cause) DO NOTHING;
    GET DIAGNOSTICS opted_out = ROW_COUNT;
    UPDATE herald.holds h SET reason = u.reason FROM unnest(stopped, why) u (name, reason)
     WHERE h.kind = 'recipient' AND h.cause = 'opt-out' AND h.name = u.name AND h.reason <> u.reason;
    DELETE FROM herald.holds h WHERE h.kind = 'recipient' AND h.cause = 'opt-out' AND h.name = ANY (resumed);
    GET DIAGNOSTICS opted_in = ROW_COUNT;

    DELETE FROM herald.heard h
     USING (SELECT o.kind, o.name, o.language FROM herald.heard o
             WHERE o.kind = 'recipient' AND o.at < clock_timestamp() - interval '10 days' LIMIT 1000 FOR UPDATE SKIP LOCKED) old
     WHERE (h.kind, h.name, h.language) = (old.kind, old.name, old.language);
END
$$;
